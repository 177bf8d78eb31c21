%% What is measured of Erlang, see main.go.
-module(bench).
-export([run/1, init/1, start_idle/0, start_link_idle/0]).

run([Row, N]) -> row(Row, list_to_integer(N)).

row("nothing", _) -> ok;
row("send", N) ->
    Self = self(),
    P = spawn(fun() -> count(N), Self ! done end),
    send(P, N),
    receive done -> ok end;
row("fan-in", N) ->
    Self = self(),
    P = spawn(fun() -> count(N), Self ! done end),
    [spawn(fun() -> send(P, N div 1000) end) || _ <- lists:seq(1, 1000)],
    receive done -> ok end;
row("wake", N) ->
    Self = self(),
    P = spawn(fun() -> pong() end),
    spawn(fun() -> ping(P, N div 2), Self ! done end),
    receive done -> ok end;
row("call", N) ->
    P = spawn(fun() -> server() end),
    call(P, N);
row("spawn", N) -> spawns(N);
row("supervised", N) ->
    {ok, S} = supervisor:start_link(?MODULE, idle),
    [{ok, _} = supervisor:start_child(S, []) || _ <- lists:seq(1, N)],
    ok;
row("crash", N) ->
    error_logger:tty(false),
    logger:set_primary_config(level, none),
    {ok, _} = supervisor:start_link(?MODULE, {crash, self()}),
    crashes(N);
row("idle", N) ->
    erlang:garbage_collect(),
    Before = erlang:memory(total),
    Ps = [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, N)],
    timer:sleep(200),
    io:format("~p", [erlang:memory(total) - Before - 16 * length(Ps)]).

count(0) -> ok;
count(N) -> receive _ -> count(N - 1) end.

send(_, 0) -> ok;
send(P, N) -> P ! N, send(P, N - 1).

pong() -> receive {From, M} -> From ! M, pong() end.

ping(_, 0) -> ok;
ping(P, N) -> P ! {self(), N}, receive N -> ping(P, N - 1) end.

server() -> receive {'$gen_call', From, M} -> gen:reply(From, M), server() end.

call(_, 0) -> ok;
call(P, N) -> {ok, N} = gen:call(P, '$gen_call', N), call(P, N - 1).

spawns(0) -> ok;
spawns(N) -> spawn(fun() -> receive stop -> ok end end), spawns(N - 1).

crashes(0) -> ok;
crashes(N) -> receive {up, P} -> P ! crash, crashes(N - 1) end.

init(idle) ->
    {ok, {#{strategy => simple_one_for_one, intensity => 1000000000, period => 1},
          [#{id => idle, start => {?MODULE, start_idle, []}, restart => temporary}]}};
init({crash, To}) ->
    persistent_term:put(crash_to, To),
    {ok, {#{strategy => one_for_one, intensity => 1000000000, period => 1},
          [#{id => crash, start => {?MODULE, start_link_idle, []}, restart => permanent}]}}.

start_idle() -> {ok, spawn_link(fun() -> receive stop -> ok end end)}.

start_link_idle() ->
    To = persistent_term:get(crash_to),
    P = spawn_link(fun() -> receive crash -> exit(crash) end end),
    To ! {up, P},
    {ok, P}.
