// The page of distributed-chat. It needs nothing but a WebSocket: each message is {"event": …, "data": …}.

const $ = (id) => document.getElementById(id);
const url = new URL("socket", location.href);
url.protocol = url.protocol.replace("http", "ws");

let ws = null;
let connections = 0; // that were opened: a crash of a room does not add to them
let since = 0; // when the present one was opened
let room = decodeURIComponent(location.hash.slice(1)) || "lobby";
let me = ""; // the id of our socket
let life = 0;
let shown = 0; // seq of the last message in the log
let down = false; // the room's process has crashed and has not come back
let following = true; // the end of the conversation is in sight
const pending = new Map(); // what we have said and not heard yet, by ref

const name = () => $("name").value.trim();
let called = ""; // the name that we have entered with
try {
  $("name").value = sessionStorage.getItem("name") ?? "";
} catch { /* a page without storage has no memory */ }
$("name").value ||= `guest ${Math.floor(Math.random() * 900) + 100}`;
called = name();

function send(event, data) {
  if (ws?.readyState === WebSocket.OPEN) ws.send(JSON.stringify({ event, data }));
}

function connect() {
  ws = new WebSocket(url);
  ws.onopen = () => {
    connections++;
    since = Date.now();
    status("connected");
    enter(room);
  };
  ws.onmessage = ({ data }) => {
    const { event, data: value } = JSON.parse(data);
    handlers.get(event)?.(value);
  };
  ws.onclose = () => {
    status("connecting");
    setTimeout(connect, 1000 + 1000 * Math.random());
  };
}

function status(state) {
  $("status").dataset.state = state;
  const [long, short] = $("status").querySelectorAll("span");
  const time = span(Math.round((Date.now() - since) / 1000));
  long.textContent = state === "connected" ? `connection ${connections}, open for ${time}` : "connecting";
  short.textContent = state === "connected" ? time : "connecting";
}
function span(seconds) {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
setInterval(() => status($("status").dataset.state), 1000);

function element(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

// What was said in the room stays until its history comes, which may be a while if it is down.
function enter(next) {
  if (next !== room) {
    pending.clear();
    following = true;
    clear();
  }
  room = next;
  history.replaceState(null, "", `#${encodeURIComponent(room)}`);
  state(false);
  send("enter", { room, name: name() });
  for (const b of $("rooms").children) b.toggleAttribute("aria-current", b.textContent === room);
  $("processes-title").textContent = `Processes of #${room}`;
  for (const p of ["supervisor", "store", "room"]) $(`p-${p}`).textContent = `${p}:${room}`;
}

function clear() {
  $("log").replaceChildren();
  shown = 0;
  paint();
}

// What is on its way, and whether there is anything at all.
function paint() {
  $("pending").replaceChildren(...[...pending.values()].map(({ text }) => {
    const li = element("li", "mine");
    li.append(element("span", "bubble", text), element("small", "", down ? "waits for the room" : "sending"));
    return li;
  }));
  $("empty").hidden = $("log").childElementCount + pending.size > 0;
  if (following) $("scroller").scrollTop = $("scroller").scrollHeight;
}
// Who reads what was said before is left to it.
$("scroller").onscroll = ({ target: s }) => { following = s.scrollHeight - s.scrollTop - s.clientHeight <= 40; };

function show(message) {
  pending.delete(message.ref);
  if (message.seq > shown) {
    shown = message.seq;
    const last = $("log").lastElementChild;
    const li = element("li", message.from === me ? "mine" : "");
    li.dataset.from = `${message.from} ${message.name}`;
    li.classList.toggle("goes-on", last?.dataset.from === li.dataset.from);
    li.append(element("span", "name", message.name), element("span", "bubble", message.text));
    $("log").append(li);
  }
  paint();
}

function note(text, kind = "") {
  $("log").append(element("li", `note ${kind}`, text));
  paint();
}

// Whether the room's process is down.
function state(isDown) {
  down = isDown;
  $("p-room").classList.toggle("down", down);
  $("life").textContent = down ? "has crashed" : life ? `life ${life}` : "";
  $("crash-room").disabled = $("crash-store").disabled = down;
  $("banner").hidden = !down;
  $("banner").textContent = down ? `The process of #${room} has crashed. Its supervisor is about to start another.` : "";
}

// Whatever of ours a new process does not know it has never got.
function resend() {
  for (const [ref, { text }] of pending) send("say", { text, ref });
  paint();
}

let toast;
const handlers = new Map(Object.entries({
  rooms(names) {
    $("rooms").replaceChildren(...names.map((each) => {
      const b = element("button", "", each);
      b.type = "button";
      b.onclick = () => enter(each);
      b.toggleAttribute("aria-current", each === room);
      return b;
    }));
  },
  history(all) {
    if (all.room !== room) return;
    me = all.you;
    life = all.life;
    const place = $("scroller").scrollTop;
    clear();
    all.messages.forEach(show);
    state(false);
    resend();
    if (!following) $("scroller").scrollTop = place;
  },
  chat: show,
  people({ room: of, names }) {
    if (of === room) $("people").replaceChildren(...names.map((each) => element("li", "", each)));
  },
  crashed(of) {
    if (of !== room) return;
    state(true);
    note("the room has crashed", "bad");
  },
  restarted(all) {
    if (all.room !== room) return;
    const lost = all.life === 1;
    life = all.life;
    if (lost) {
      clear();
      note("the store has crashed, and the history is gone", "bad");
    }
    all.messages.forEach(show); // those that were said while nobody could tell us
    state(false);
    const kept = all.messages.length;
    if (!lost) note(`back, with ${kept === 1 ? "one message" : `${kept} messages`} of history`, "good");
    resend();
  },
  refused(text) {
    clearTimeout(toast);
    $("toast").textContent = text;
    $("toast").hidden = false;
    toast = setTimeout(() => { $("toast").hidden = true; }, 3000);
  },
}));

$("composer").onsubmit = (e) => {
  e.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  const ref = crypto.getRandomValues(new Uint32Array(4)).join("-");
  pending.set(ref, { text });
  following = true;
  $("text").value = "";
  send("say", { text, ref });
  paint();
};
$("crash-room").onclick = () => send("crash", "room");
$("crash-store").onclick = () => send("crash", "store");
// An empty name is none: the one before it is back.
$("me").onsubmit = (e) => {
  e.preventDefault();
  $("name").blur();
};
$("name").onchange = () => {
  if (!name()) {
    $("name").value = called;
    return;
  }
  called = name();
  try {
    sessionStorage.setItem("name", name());
  } catch { /* then not */ }
  enter(room);
};
connect();
