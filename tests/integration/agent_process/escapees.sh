# A tree in which each process tries in another way to outlive it; "ready" comes once all of them were started.
setsid sleep 300 &
nohup sleep 300 >/dev/null 2>&1 &
(trap '' TERM HUP INT; sleep 300; sleep 300) &
sh -c 'sleep 300 & exit 0'
(setsid sh -c '(setsid sleep 300 &); exit 0')
sh -c 'kill -STOP $$; sleep 300' &
echo ready
sleep 300
