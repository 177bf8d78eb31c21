// Turns rooms, messages and people into elements. What people wrote is inserted by textContent only.

export const $ = (selector, root = document) => root.querySelector(selector);

const clone = (id) => $(id).content.firstElementChild.cloneNode(true);
const timeFormat = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const fullFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const TOGETHER = 5 * 60_000; // messages of one person within this time stand as one block

/** One entry of the conversation, given the entry above it. Returns one or two elements. */
export function entryElements(entry, above, mine) {
  const elements = [];
  if (!above || dayFormat.format(above.at) !== dayFormat.format(entry.at)) {
    elements.push(line("day", dayName(entry.at)));
  }
  if (entry.note) {
    elements.push(line("note", entry.note));
    return elements;
  }
  const follows = elements.length === 0 && !above?.note && above?.userId === entry.userId
    && above.name === entry.name && entry.at - above.at < TOGETHER;
  elements.push(messageElement(entry, mine, follows));
  return elements;
}

export function messageElement(message, mine, follows) {
  const element = clone("#t-message");
  element.classList.toggle("mine", mine);
  element.classList.toggle("follows", follows);
  dress($(".avatar", element), message.name);
  $(".name", element).textContent = mine ? "You" : message.name;
  $(".name", element).style.setProperty("--hue", hueOf(message.name));
  const time = $("time", element);
  time.textContent = timeFormat.format(message.at);
  time.title = fullFormat.format(message.at);
  time.dateTime = new Date(message.at).toISOString();
  const bubble = $(".bubble", element);
  bubble.textContent = message.text;
  bubble.title = time.title;
  if (/^[\p{Extended_Pictographic}\p{Emoji_Component}\u200d\s]{1,12}$/u.test(message.text) && !/[\d#*]/.test(message.text)) {
    bubble.classList.add("emoji");
  }
  return element;
}

function line(kind, text) {
  const element = document.createElement("p");
  element.className = kind;
  element.textContent = text;
  return element;
}

function dayName(at) {
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86_400_000);
  return days === 0 ? "Today" : days === 1 ? "Yesterday" : dayFormat.format(at);
}

/** The list of our rooms. */
export function showRooms(list, rooms, current) {
  list.replaceChildren(...[...rooms.values()].map((room) => {
    const item = clone("#t-room");
    const button = $("button", item);
    button.dataset.room = room.name;
    $(".label", item).textContent = room.name;
    if (room === current) button.setAttribute("aria-current", "true");
    if (room.unread > 0) {
      const badge = $(".badge", item);
      badge.textContent = room.unread > 99 ? "99+" : room.unread;
      badge.setAttribute("aria-label", `${room.unread} unread`);
      badge.hidden = false;
    }
    return item;
  }));
}

export function showPeople(list, people, you) {
  list.replaceChildren(...people.map(({ userId, name }) => {
    const item = clone("#t-person");
    dress($(".avatar", item), name);
    $(".name", item).textContent = name;
    $("small", item).hidden = userId !== you;
    return item;
  }));
}

/** Buttons for the rooms that are open now; a click puts the room's name into the input. */
export function showSuggestions(block, open, input) {
  block.hidden = open.length === 0;
  $("ul", block).replaceChildren(...open.map(({ room, members }) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    const count = document.createElement("small");
    count.textContent = members;
    count.setAttribute("aria-label", plural(members, "person", "people"));
    const label = document.createElement("bdi");
    label.textContent = room;
    button.append(label, count);
    button.addEventListener("click", () => (input.value = room));
    item.append(button);
    return item;
  }));
}

/** Puts a name's initials and colour on an avatar. */
export function dress(avatar, name) {
  const words = name.split(/\s+/u).filter(Boolean);
  const initials = words.slice(0, 2).map((word) => firstLetter(word)).join("");
  avatar.textContent = initials.toLocaleUpperCase();
  avatar.style.setProperty("--hue", hueOf(name));
}

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

function firstLetter(word) {
  for (const { segment } of segmenter.segment(word)) return segment;
  return "";
}

function hueOf(name) {
  let hash = 7;
  for (const c of name) hash = (hash * 31 + c.codePointAt(0)) % 3600;
  return Math.round(hash / 10);
}

export function typingText(names) {
  if (names.length === 0) return "";
  if (names.length === 1) return `${names[0]} is typing`;
  if (names.length === 2) return `${names[0]} and ${names[1]} are typing`;
  return "Several people are typing";
}

export const plural = (n, one, many) => `${n} ${n === 1 ? one : many}`;
