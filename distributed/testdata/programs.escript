#!/usr/bin/env escript
%%! +S 1:1
%% Runs the programs of a file, one term {Seed, Roots, Names, Steps} each, and prints what has
%% become of their processes: see program_test.go, which writes the file and reads what this prints.
-mode(compile).

main([File]) ->
    {ok, Programs} = file:consult(File),
    lists:foreach(fun program/1, Programs).

%% Who is who, and what they note, survives them: {I, Pid}, {Pid, I}, {now, Step}, {count, N}.
program({Seed, Roots, Names, Steps}) ->
    ets:new(who, [named_table, public]),
    ets:new(notes, [named_table, public, duplicate_bag]),
    ets:insert(who, [{now, 0}, {count, 0}]),
    [new(false, fun erlang:spawn/1) || _ <- lists:seq(1, Roots)],
    {Refs, Dead} = steps(Steps, watch(#{}, 0), #{}),
    io:format("~w~n", [Seed]),
    [io:format("~w:~s | ~s~n", [I, notes(I), fate(I, Dead)]) || I <- lists:seq(0, count() - 1)],
    io:format("names:~s~n", [[io_lib:format(" ~w", [named(N)]) || N <- lists:seq(0, Names - 1)]]),
    [exit(pid(I), kill) || I <- lists:seq(0, count() - 1)],
    settle(Refs, Dead),
    ets:delete(who),
    ets:delete(notes).

notes(I) -> [io_lib:format(" ~w/~s", [Step, Text]) || {_, Step, Text} <- ets:lookup(notes, I)].

fate(I, Dead) ->
    case Dead of
        #{I := {Step, Reason}} -> io_lib:format("~w/~w", [Step, Reason]);
        _ -> "-1/alive"
    end.

count() -> ets:lookup_element(who, count, 2).
now_() -> ets:lookup_element(who, now, 2).
pid(I) -> ets:lookup_element(who, I, 2).
index(Pid) -> ets:lookup_element(who, Pid, 2).
name(N) -> list_to_atom("n" ++ integer_to_list(N)).
named(N) ->
    case whereis(name(N)) of
        undefined -> -1;
        Pid -> index(Pid)
    end.

%% watch monitors the processes from a number on: #{Ref => I}.
watch(Refs, From) ->
    lists:foldl(fun(I, M) -> M#{erlang:monitor(process, pid(I)) => I} end, Refs, lists:seq(From, count() - 1)).

steps([], Refs, Dead) -> {Refs, Dead};
steps([{par, Steps} | Rest], Refs, Dead) ->
    [pid(Who) ! {step, self(), Ops} || {Who, Ops} <- Steps],
    {Refs1, Dead1} = settle(Refs, Dead),
    flush(),
    ets:update_counter(who, now, 1),
    steps(Rest, Refs1, Dead1);
steps([{Who, Ops} | Rest], Refs, Dead) ->
    Known = count(),
    pid(Who) ! {step, self(), Ops},
    {Refs1, Dead1} =
        receive
            done -> {Refs, Dead};
            {'DOWN', Ref, process, _, Reason} -> dead(Ref, Reason, Refs, Dead)
        end,
    {Refs2, Dead2} = settle(watch(Refs1, Known), Dead1),
    receive done -> ok after 0 -> ok end, %% of one that is held no more
    ets:update_counter(who, now, 1),
    steps(Rest, Refs2, Dead2).

flush() -> receive done -> flush() after 0 -> ok end.

dead(Ref, Reason, Refs, Dead) ->
    {I, Refs1} = maps:take(Ref, Refs),
    {Refs1, Dead#{I => {now_(), Reason}}}.

%% settle asks everybody until nothing has changed twice.
settle(Refs, Dead) -> settle(Refs, Dead, ets:info(notes, size), 2).
settle(Refs, Dead, _, 0) -> {Refs, Dead};
settle(Refs, Dead, Notes, Left) ->
    {Refs1, Dead1} = lists:foldl(fun ping/2, {Refs, Dead}, maps:keys(Refs)),
    erlang:yield(),
    case ets:info(notes, size) of
        Notes when map_size(Refs1) =:= map_size(Refs) -> settle(Refs1, Dead1, Notes, Left - 1);
        More -> settle(Refs1, Dead1, More, 2)
    end.

ping(Ref, {Refs, Dead}) ->
    #{Ref := I} = Refs,
    pid(I) ! {ping, self(), Ref},
    receive
        {pong, Ref} -> {Refs, Dead};
        {'DOWN', Ref, process, _, Reason} -> dead(Ref, Reason, Refs, Dead)
    end.

new(Trap, Spawn) ->
    I = ets:update_counter(who, count, 1) - 1,
    Ready = make_ref(),
    Parent = self(),
    Pid = Spawn(fun() ->
        process_flag(trap_exit, Trap),
        put(index, I),
        put(monitors, []),
        Parent ! Ready,
        player()
    end),
    ets:insert(who, [{I, Pid}, {Pid, I}]),
    receive Ready -> ok end.

note(Format, Args) -> ets:insert(notes, {get(index), now_(), io_lib:format(Format, Args)}).

player() ->
    receive
        {ping, From, Ref} -> From ! {pong, Ref};
        {step, From, Ops} -> [op(Op, From) || Op <- Ops], From ! done;
        {msg, Sender, Number} -> note("msg:~w:~w", [Sender, Number]);
        {'EXIT', Pid, Reason} -> note("exit:~w:~w", [index(Pid), Reason]);
        {'DOWN', Ref, process, _, Reason} ->
            {Index, {_, Target}} = place(Ref, 0, get(monitors)),
            note("down:~w:~w:~w", [Index, Target, Reason])
    end,
    player().

place(Ref, I, [{Ref, _} = M | _]) -> {I, M};
place(Ref, I, [_ | Rest]) -> place(Ref, I + 1, Rest).

op({spawn, Trap, _}, _) -> new(Trap =:= 1, fun erlang:spawn/1);
op({spawn_link, Trap, _}, _) -> new(Trap =:= 1, fun erlang:spawn_link/1);
op({link, I, _}, _) ->
    %% Without trap_exit link/1 fails, for which the reason would be {noproc, Stack}.
    try link(pid(I)) catch error:noproc -> exit(noproc) end;
op({unlink, I, _}, _) -> unlink(pid(I));
op({monitor, I, _}, _) -> monitored(erlang:monitor(process, pid(I)), I);
op({monitor_by, N, _}, _) ->
    I = named(N),
    monitored(erlang:monitor(process, name(N)), I);
op({demonitor, I, _}, _) ->
    case get(monitors) of
        M when I < length(M) -> erlang:demonitor(element(1, lists:nth(I + 1, M)), [flush]);
        _ -> ok
    end;
op({trap, T, _}, _) -> process_flag(trap_exit, T =:= 1);
op({send, I, Number}, _) -> pid(I) ! {msg, get(index), Number};
op({send_by, N, Number}, _) -> catch name(N) ! {msg, get(index), Number};
op({exit, I, R}, _) -> exit(pid(I), reason(R));
op({kill, I, _}, _) -> exit(pid(I), kill);
op({die, R, _}, _) -> exit(reason(R));
op({register, N, I}, _) -> catch register(name(N), pid(I));
op({unregister, N, _}, _) -> catch unregister(name(N));
op({whereis, N, _}, _) -> note("is:~w", [named(N)]);
op({hold, _, _}, From) -> From ! done, hold();
op({release, I, _}, _) -> pid(I) ! release.

monitored(Ref, Target) -> put(monitors, get(monitors) ++ [{Ref, Target}]).

hold() ->
    receive
        release -> ok;
        {ping, From, Ref} -> From ! {pong, Ref}, hold()
    end.

reason(R) -> element(R + 1, {normal, shutdown, boom, bang}).
