// The page: joins what comes from the server (socket.js), what is known (rooms.js) and what is seen (view.js).

import { SocketClient } from "./socket.js";
import { Room } from "./rooms.js";
import { $, dress, entryElements, messageElement, plural, showPeople, showRooms, showSuggestions, typingText } from "./view.js";

const TYPING_EVERY = 2500; // how often we say that we are typing, in milliseconds
const TYPING_LASTS = 5000; // how long somebody's typing is shown without a further word

const page = new URLSearchParams(location.search);
const forced = page.get("transport");
const socket = new SocketClient("socket", {
  transport: forced === "polling" || forced === "websocket" ? forced : "auto",
});

const rooms = new Map(); // name -> Room, in the order in which we joined
let current = null; // the Room on screen
let name = "";

// Our own messages are known by their refs, which outlive a reload of the tab.
const refs = new Set(JSON.parse(sessionStorage.getItem("refs") ?? "[]"));
const isMine = (entry) => refs.has(entry.ref);

// ---- Connection ----------------------------------------------------------------------------------------

socket.on("connect", () => {
  showConnection();
  socket.emit("rooms");
  for (const room of rooms.values()) join(room);
});

socket.on("disconnect", () => {
  for (const room of rooms.values()) room.reset();
  showConnection();
  showRoomFacts();
});

let nextTry = 0;
socket.on("waiting", ({ delay }) => {
  nextTry = Date.now() + delay;
  showConnection();
});
$("#retry").addEventListener("click", () => socket.retry());
addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") socket.retry();
});

// A page that the browser freezes for its back button must not look present to the others.
addEventListener("pagehide", () => socket.close());
addEventListener("pageshow", (event) => event.persisted && socket.connect());

function showConnection() {
  const connected = socket.state === "connected";
  const label = connected
    ? { websocket: "WebSocket", polling: "Long polling" }[socket.transport]
    : rooms.size > 0 && nextTry > 0 ? "Reconnecting" : "Connecting";
  for (const status of document.querySelectorAll("[data-status]")) {
    status.dataset.state = connected ? "connected" : "connecting";
    status.dataset.transport = socket.transport;
    status.lastElementChild.textContent = label;
    status.title = connected ? `Connected by ${label}` : `${label}…`;
  }
  if (connected) nextTry = 0;
  tick();
}

// Once a second: what depends on the time alone.
function tick() {
  const lost = socket.state !== "connected" && nextTry > 0;
  $("#banner").hidden = !lost;
  if (lost) {
    const seconds = Math.ceil((nextTry - Date.now()) / 1000);
    const text = seconds > 1 ? `Connection lost. Next try in ${seconds} s.` : "Connection lost. Reconnecting…";
    // Screen readers hear about the loss, not every second of the count.
    $("#banner").setAttribute("aria-live", $("#banner-text").textContent ? "off" : "polite");
    $("#banner-text").textContent = text;
  } else {
    $("#banner-text").textContent = "";
  }
  showTyping();
  transmitRest();
}
setInterval(tick, 1000);

// ---- Events of the server ------------------------------------------------------------------------------

const inRoom = (handler) => (data) => {
  const room = rooms.get(data?.room);
  if (room) handler(room, data);
};

socket.on("history", inRoom((room, { messages }) => add(room, messages, true)));

socket.on("members", inRoom((room, data) => {
  room.setPeople(data);
  if (room === current) showRoomFacts();
  // The history came before: what is still pending has not reached the server.
  for (const message of room.pending.values()) transmit(room, message);
}));

socket.on("userJoined", inRoom((room, event) => {
  const before = room.joined(event);
  if (room === current) showRoomFacts();
  if (event.userId === room.you || before === event.name) return;
  const note = before ? `${before} is now called ${event.name}` : `${event.name} joined`;
  add(room, [{ ...event, note }]);
}));

socket.on("userLeft", inRoom((room, event) => {
  room.left(event);
  if (room === current) showRoomFacts();
  if (event.userId !== room.you) add(room, [{ ...event, note: `${event.name} left` }]);
}));

socket.on("chat", inRoom((room, message) => add(room, [message])));

socket.on("typing", inRoom((room, { userId, name, typing }) => {
  if (userId === room.you) return;
  if (typing) room.typing.set(userId, { name, until: Date.now() + TYPING_LASTS });
  else room.typing.delete(userId);
  if (room === current) showTyping();
}));

let openRooms = [];
socket.on("rooms", (list) => {
  openRooms = list.filter(({ room }) => !rooms.has(room)).slice(0, 8);
  for (const block of document.querySelectorAll("[data-rooms]")) {
    showSuggestions(block, openRooms, $("[name=room]", block.closest("form")));
  }
});

socket.on("error", (problem) => {
  const { event, room, ref, message } = problem ?? {};
  const target = rooms.get(room);
  const refused = target?.pending.get(ref);
  if (refused) {
    target.pending.delete(ref);
    giveBack(target, refused.text);
  }
  if (event === "join" && target && !target.you) {
    rooms.delete(room);
    open(rooms.values().next().value ?? null);
    welcomeProblem(message);
  }
  toast(message);
});

// ---- Rooms ---------------------------------------------------------------------------------------------

const tidy = (text) => text.trim().replace(/\s+/gu, " ");

function join(room) {
  socket.emit("join", { room: room.name, name });
}

/** Shows a room, joining it first if need be; null shows the welcome page. */
function open(room) {
  if (current) current.draft = $("#text").value;
  current = room;
  $("#welcome").hidden = room !== null;
  $("#app").hidden = room === null;
  closePanels();
  history.replaceState(null, "", room ? `#${encodeURIComponent(room.name)}` : location.pathname + location.search);
  sessionStorage.setItem("rooms", JSON.stringify([...rooms.keys()]));
  if (!room) {
    document.title = "Chat";
    return;
  }
  room.unread = 0;
  $("#text").value = room.draft;
  $("#text").placeholder = `Message #${room.name}`;
  $("#room-name").textContent = room.name;
  dress($("#me .avatar"), name);
  $("#me .name").textContent = name;
  fitComposer();
  showLog();
  showRoomFacts();
  showUnread();
}

function openNamed(roomName) {
  roomName = tidy(roomName);
  if (!roomName) return;
  let room = rooms.get(roomName);
  if (!room) {
    room = new Room(roomName);
    rooms.set(roomName, room);
    join(room);
  }
  open(room);
  if (matchMedia("(hover: hover)").matches) $("#text").focus(); // on a phone it would open the keyboard
}

function leave(room) {
  socket.emit("leave", room.name);
  rooms.delete(room.name);
  open(rooms.values().next().value ?? null);
  socket.emit("rooms");
}

function rename(newName) {
  name = tidy(newName);
  sessionStorage.setItem("name", name);
  localStorage.setItem("name", name);
  dress($("#me .avatar"), name);
  $("#me .name").textContent = name;
  for (const room of rooms.values()) join(room);
}

function showRoomFacts() {
  if (!current) return;
  const people = current.people();
  $("#room-count").textContent = current.you ? plural(people.length, "person", "people")
    : socket.state === "connected" ? "joining…" : "not connected";
  $("#people-title").textContent = `In #${current.name}`;
  showPeople($("#people-list"), people, current.you);
}

function showUnread() {
  showRooms($("#rooms"), rooms, current);
  const unread = [...rooms.values()].reduce((sum, room) => sum + room.unread, 0);
  $("#open-rooms .dot").hidden = unread === 0;
  $("#open-rooms").setAttribute("aria-label", unread ? `Rooms, ${unread} unread` : "Rooms");
  if (current) document.title = `${unread ? `(${unread}) ` : ""}#${current.name} · Chat`;
}

// ---- Messages ------------------------------------------------------------------------------------------

const scroller = $("#scroller");
let sticky = true; // the newest message is in view and shall stay so
let missed = 0;

function add(room, entries, isHistory = false) {
  const last = room.entries.at(-1);
  const fresh = room.add(entries);
  if (fresh.length === 0) return;
  const news = fresh.filter((entry) => !entry.note && !isMine(entry));
  const away = room !== current || document.hidden;
  if (away && (!isHistory || last)) {
    room.unread += news.length;
    showUnread();
  }
  if (room !== current) return;
  if (!isHistory && fresh.length === 1 && (!last || fresh[0].seq > last.seq)) {
    $("#log").append(...entryElements(fresh[0], last, isMine(fresh[0])));
    if (!sticky) missed += news.length;
    showPending();
  } else {
    showLog(sticky);
  }
  showTyping();
}

/** Builds the whole conversation anew. Not announced to screen readers: only what is appended later is. */
function showLog(toEnd = true) {
  const log = $("#log");
  log.setAttribute("aria-live", "off");
  const elements = current.entries.flatMap((entry, i) => entryElements(entry, current.entries[i - 1], isMine(entry)));
  log.replaceChildren(...elements);
  setTimeout(() => log.setAttribute("aria-live", "polite"), 100);
  if (toEnd) sticky = true;
  showPending();
}

function showPending() {
  const pending = [...current.pending.values()];
  $("#pending").replaceChildren(...pending.map((message) => {
    const element = messageElement(message, true, false);
    element.classList.add("unsent");
    const fate = $(".fate", element);
    fate.hidden = false;
    fate.textContent = "Sending…";
    return element;
  }));
  $("#empty").hidden = current.entries.some((entry) => !entry.note) || pending.length > 0;
  keepEnd();
}

function keepEnd() {
  if (sticky) {
    scroller.scrollTop = scroller.scrollHeight;
    missed = 0;
  }
  $("#jump").hidden = sticky;
  $("#jump span").textContent = missed > 0 ? plural(missed, "new message", "new messages") : "Newest";
}

scroller.addEventListener("scroll", () => {
  sticky = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
  keepEndButton();
}, { passive: true });

function keepEndButton() {
  if (sticky) missed = 0;
  $("#jump").hidden = sticky;
}

// The keyboard of a phone and a growing composer make the conversation shorter.
new ResizeObserver(keepEnd).observe(scroller);
$("#jump").addEventListener("click", () => {
  sticky = true;
  keepEnd();
});
addEventListener("visibilitychange", () => {
  if (document.hidden || !current) return;
  current.unread = 0;
  showUnread();
});

function say(text) {
  const ref = Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
  refs.add(ref);
  if (refs.size > 1000) refs.delete(refs.values().next().value);
  sessionStorage.setItem("refs", JSON.stringify([...refs].slice(-200)));
  const message = { ref, text, name, at: Date.now() };
  current.pending.set(ref, message);
  if (current.you) transmit(current, message); // otherwise it leaves when we are in the room (again)
  sticky = true;
  showPending();
}

function transmit(room, message) {
  message.sent = socket.emit("chat", { room: room.name, text: message.text, ref: message.ref });
}

// What could not leave although there is a connection, because too much was waiting already.
function transmitRest() {
  for (const room of rooms.values()) {
    if (!room.you) continue;
    for (const message of room.pending.values()) if (!message.sent) transmit(room, message);
  }
}

/** Puts a text that the server refused back to where it was written, unless something else stands there. */
function giveBack(room, refused) {
  if (room !== current) {
    room.draft ||= refused;
    return;
  }
  text.value ||= refused;
  fitComposer();
  showPending();
}

// ---- Composer ------------------------------------------------------------------------------------------

const text = $("#text");
let saidTyping = 0;

$("#composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const message = text.value.trim();
  if (!message || !current) return;
  say(message);
  text.value = "";
  saidTyping = 0;
  fitComposer();
  text.focus();
});

text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("#composer").requestSubmit();
});

text.addEventListener("input", () => {
  fitComposer();
  const now = Date.now();
  if (text.value === "") {
    if (saidTyping) socket.emit("typing", { room: current.name, typing: false });
    saidTyping = 0;
  } else if (now - saidTyping > TYPING_EVERY) {
    saidTyping = now;
    socket.emit("typing", { room: current.name, typing: true });
  }
});

function fitComposer() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
  $("#send").disabled = text.value.trim() === "";
}

function showTyping() {
  const names = current ? current.typists(Date.now()) : [];
  $("#typing").textContent = typingText(names);
  $("#typing").classList.toggle("on", names.length > 0);
}

// ---- Welcome, dialogs, panels --------------------------------------------------------------------------

function welcomeProblem(message = "") {
  const problem = $("#welcome-form .problem");
  problem.textContent = message;
  problem.hidden = message === "";
}

$("#welcome-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { name, room } = event.target.elements;
  if (!tidy(name.value) || !tidy(room.value)) return welcomeProblem("A name and a room, please.");
  welcomeProblem();
  rename(name.value);
  openNamed(room.value);
});

function ask(dialog, value, done) {
  const form = $("form", dialog);
  const input = $("input", form);
  input.value = value;
  // Once it is closed: closing a dialog moves the focus back.
  form.onsubmit = () => dialog.addEventListener("close", () => tidy(input.value) && done(input.value), { once: true });
  dialog.showModal();
  input.select();
}
for (const cancel of document.querySelectorAll("[data-cancel]")) {
  cancel.addEventListener("click", () => cancel.closest("dialog").close());
}

$("#add-room").addEventListener("click", () => {
  socket.emit("rooms");
  ask($("#room-dialog"), "", openNamed);
});
$("#me").addEventListener("click", () => ask($("#name-dialog"), name, rename));
$("#leave").addEventListener("click", () => leave(current));
$("#rooms").addEventListener("click", (event) => {
  const room = rooms.get(event.target.closest("button")?.dataset.room);
  if (room) open(room);
});

for (const [panel, opener] of [["#sidebar", "#open-rooms"], ["#people", "#open-people"]]) {
  $(opener).addEventListener("click", () => {
    document.body.dataset.panel = panel.slice(1);
    $(opener).setAttribute("aria-expanded", "true");
    $("#scrim").hidden = false;
    $("#conversation").inert = true;
    $("[data-close]", $(panel)).focus();
  });
  $("[data-close]", $(panel)).addEventListener("click", () => {
    closePanels();
    $(opener).focus();
  });
}
$("#scrim").addEventListener("click", closePanels);
addEventListener("keydown", (event) => event.key === "Escape" && closePanels());

function closePanels() {
  delete document.body.dataset.panel;
  $("#scrim").hidden = true;
  $("#conversation").inert = false;
  $("#open-rooms").setAttribute("aria-expanded", "false");
  $("#open-people").setAttribute("aria-expanded", "false");
}

async function copyLink() {
  const link = new URL(`#${encodeURIComponent(current.name)}`, location.origin + location.pathname).href;
  try {
    await navigator.clipboard.writeText(link);
    toast("Link copied");
  } catch {
    toast(link); // no clipboard outside https and localhost
  }
}
for (const button of ["#copy-link", "#invite", "#share"]) $(button).addEventListener("click", copyLink);

let toastTimer = 0;
function toast(message) {
  $("#toast").textContent = message;
  $("#toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => ($("#toast").hidden = true), 4000);
}

// ---- Start ---------------------------------------------------------------------------------------------

function roomInAddress() {
  try {
    return tidy(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return "";
  }
}
addEventListener("hashchange", () => name && openNamed(roomInAddress()));

const welcome = $("#welcome-form").elements;
welcome.name.value = sessionStorage.getItem("name") ?? localStorage.getItem("name") ?? "";
welcome.room.value = roomInAddress() || "lobby";
if (sessionStorage.getItem("name")) { // a reload: back to where we were
  name = sessionStorage.getItem("name");
  const wanted = roomInAddress();
  for (const room of JSON.parse(sessionStorage.getItem("rooms") ?? "[]")) rooms.set(room, new Room(room));
  if (wanted && !rooms.has(wanted)) rooms.set(wanted, new Room(wanted));
  if (rooms.size > 0) open(rooms.get(wanted) ?? rooms.values().next().value);
}
showConnection();
socket.connect();
