<?php
// client.php HOST PORT COUNT: one connection per request, by the extension curl.
for ($i = 0; $i < (int)$argv[3]; $i++) {
    $curl = curl_init("http://$argv[1]:$argv[2]/");
    curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);
    curl_setopt($curl, CURLOPT_FORBID_REUSE, true);
    echo curl_exec($curl);
    curl_close($curl);
}
