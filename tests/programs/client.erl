%% client HOST PORT COUNT: connects, asks, prints the reply, closes.
main([Host, Port, Count]) ->
    lists:foreach(
        fun(_) ->
            {ok, Socket} = gen_tcp:connect(Host, list_to_integer(Port), [binary, {active, false}]),
            ok = gen_tcp:send(Socket, <<"hello?\n">>),
            {ok, Reply} = gen_tcp:recv(Socket, 0),
            io:put_chars(Reply),
            ok = gen_tcp:close(Socket)
        end,
        lists:seq(1, list_to_integer(Count))).
