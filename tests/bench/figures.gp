# The two figures, drawn from the .tsv beside them: gnuplot -c figures.gp DIRECTORY
#
# No background: the page's own shows through, light or dark, and every colour stands out on both.
# In the data a column's first field is the policy: "off" or "auto".
dir = ARG1
grey = '#7d8590'
red = '#d9534f'
blue = '#388bfd'

set terminal svg size 820,460 dynamic noenhanced font 'Helvetica,Arial,sans-serif,14'
set datafile separator '\t'
set autoscale xfix
set border 3 lc rgb grey
set tics nomirror textcolor rgb grey
set grid ytics lc rgb grey lw 0.5 dt 3
set format y "%'.0f"
set key textcolor rgb grey

only(arm, x) = strcol(1) eq arm ? x : NaN

# --- TIME_WAIT and failures over time ---

set output dir.'/time-wait.svg'
set multiplot layout 2,1 margins 0.12,0.97,0.12,0.90 spacing 0.18
set style data lines
set key tmargin right horizontal samplen 2
set yrange [0:*]
set label 1 'TIME_WAIT sockets' at graph 0,1.12 textcolor rgb grey
unset xlabel
plot dir.'/history.tsv' using (only('off', $2)):5 lw 2.5 lc rgb red title 'without (off)', \
     '' using (only('auto', $2)):5 lw 2.5 lc rgb blue title 'with libnotimewait (auto)'
set label 1 'failed connect() calls per second (EADDRNOTAVAIL: no free local port)'
set xlabel 'seconds' textcolor rgb grey offset 0,0.5
unset key
# The counts are sums: what came since the line before.
last_t = 0
last_n = 0
rate(t, n) = (dt = t - last_t, dn = n - last_n, last_t = t, last_n = n, \
    dt > 0 && dn >= 0 ? dn / dt : NaN)
plot '< grep ^off '.dir.'/history.tsv' using 2:(rate($2, $4)) lw 2.5 lc rgb red, \
     '< grep ^auto '.dir.'/history.tsv' using 2:(rate($2, $4)) lw 2.5 lc rgb blue
unset multiplot

# --- the time of connect() ---

set output dir.'/connect-latency.svg'
set key tmargin center horizontal samplen 2
unset label 1
set ylabel 'connect(), microseconds' textcolor rgb grey
set logscale y
set yrange [5:*]
plot dir.'/filling.tsv' using (only('off', $2)):7 w l lw 1 dt 2 lc rgb red title 'off, 99 %', \
     '' using (only('off', $2)):6 w l lw 2.5 lc rgb red title 'off, median', \
     '' using (only('auto', $2)):7 w l lw 1 dt 2 lc rgb blue title 'auto, 99 %', \
     '' using (only('auto', $2)):6 w l lw 2.5 lc rgb blue title 'auto, median'
