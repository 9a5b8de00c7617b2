# The two figures, drawn from the .tsv beside them: gnuplot -c figures.gp DIRECTORY
#
# No background: the page's own shows through, light or dark, and every colour stands out on both.
# In the data the first field is the policy; each file's policies are drawn, in its order.
dir = ARG1
grey = '#7d8590'
colour(arm) = arm eq 'off' ? '#d9534f' : arm eq 'auto' ? '#388bfd' : '#3fb950'
name(arm) = arm eq 'off' ? 'without (off)' : arm
arms(file) = system('grep -v "^#" '.dir.'/'.file.' | cut -f 1 | uniq')
only(arm, file) = '< grep -P "^'.arm.'\t" '.dir.'/'.file

set terminal svg size 820,460 dynamic noenhanced font 'Helvetica,Arial,sans-serif,14'
set datafile separator '\t'
set autoscale xfix
set border 3 lc rgb grey
set tics nomirror textcolor rgb grey
set grid ytics lc rgb grey lw 0.5 dt 3
set format y "%'.0f"
set key textcolor rgb grey

# --- TIME_WAIT and failures over time ---

set output dir.'/time-wait.svg'
set multiplot layout 2,1 margins 0.12,0.97,0.12,0.90 spacing 0.18
set style data lines
set key tmargin right horizontal samplen 2
set yrange [0:*]
set label 1 'TIME_WAIT sockets' at graph 0,1.12 textcolor rgb grey
unset xlabel
plot for [arm in arms('history.tsv')] only(arm, 'history.tsv') using 2:5 lw 2.5 \
    lc rgb colour(arm) title name(arm)
set label 1 'failed connect() calls per second (EADDRNOTAVAIL: no free local port)'
set xlabel 'seconds' textcolor rgb grey offset 0,0.5
unset key
# The counts are sums: what came since the line before.
last_t = 0
last_n = 0
rate(t, n) = (dt = t - last_t, dn = n - last_n, last_t = t, last_n = n, \
    dt > 0 && dn >= 0 ? dn / dt : NaN)
plot for [arm in arms('history.tsv')] only(arm, 'history.tsv') using 2:(rate($2, $4)) lw 2.5 \
    lc rgb colour(arm)
unset multiplot

# --- the time of connect() ---

set output dir.'/connect-latency.svg'
set key tmargin center horizontal samplen 2
unset label 1
set ylabel 'connect(), microseconds' textcolor rgb grey
set logscale y
set yrange [5:*]
plot for [arm in arms('filling.tsv')] only(arm, 'filling.tsv') using 2:7 w l lw 1 dt 2 \
    lc rgb colour(arm) title arm.', 99 %', \
    for [arm in arms('filling.tsv')] only(arm, 'filling.tsv') using 2:6 w l lw 2.5 \
    lc rgb colour(arm) title arm.', median'
