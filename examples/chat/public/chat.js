// The script of the chat page. It shows the latest messages in the log, and repeats each message of the user until the
// server has acknowledged it.

import { io } from "/socket.io/socket.io.esm.min.js";

// The image types that the server accepts. Other images are converted to JPEG.
const IMAGE_TYPES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const IMAGE_BYTES = 700_000;
const IMAGE_SIDE = 1600;

const LINES = 300;
const SAME_BREATH = 5 * 60_000;
const TYPING_REPEAT = 2000;
// How long a person counts as typing after a "typing" event, in milliseconds. This is longer than the interval of the
// events, so that a late event does not make the line flicker.
const TYPING_END = 5000;

const page = Object.fromEntries(
  [...document.querySelectorAll("[id]")].map((element) => [element.id, element]),
);
const listOf = new Intl.ListFormat("en");
const timeOf = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

const transports = new URLSearchParams(location.search).get("transports")?.split(",");
const socket = io({ transports });

let name = sessionStorage.getItem("name") ?? "";
let room = "";
// Whether the server has accepted us into the room on the current connection.
let entered = false;
let peopleByRoom = {};
// The messages in the log, by id. The page keeps them, because a restarted server no longer has them.
const shown = new Map();
const unacknowledged = new Map();
// The ids of the user's own messages. Names are not unique, and the id of the socket changes with each reconnection.
const ours = new Set(JSON.parse(sessionStorage.getItem("ours") ?? "[]"));

// ── The connection ──────────────────────────────────────────────────────────────────────────────

function showStatus(state, text) {
  page.status.dataset.state = state;
  page.status.textContent = text;
  showPresence();
}

socket.io.on("open", () => {
  const { engine } = socket.io;
  const first = engine.transport.name;
  const opened = performance.now();
  showStatus("connected", first);
  engine.once("upgrade", ({ name: second }) => {
    const after = Math.round(performance.now() - opened);
    showStatus("connected", `${first} → ${second} after ${after} ms`);
  });
});

socket.on("connect", enter);

socket.on("disconnect", () => {
  entered = false;
  clearTyping();
  showStatus("waiting", "connection lost, trying again…");
  // The client does not reconnect by itself if the server has closed the connection.
  if (!socket.active) socket.connect();
});

socket.on("connect_error", () => showStatus("waiting", "no connection, trying again…"));

// ── Rooms ───────────────────────────────────────────────────────────────────────────────────────

// The address of the page contains the room, so the room survives a reload, and the browser's buttons change it.
function goToRoom() {
  const rooms = Object.keys(peopleByRoom);
  const wanted = location.hash.slice(1);
  const next = rooms.includes(wanted) ? wanted : rooms[0];
  if (next === undefined || next === room) return;
  stopTyping();
  room = next;
  shown.clear();
  page.room.textContent = room;
  page.log.replaceChildren();
  document.title = `${room} · barewire chat`;
  showPresence();
  enter();
}

function enter() {
  entered = false;
  if (!socket.connected || room === "") return;
  if (name === "") return askName();
  const asked = room;
  socket.emit("enter", name, asked, (refusal, past) => {
    if (refusal !== null) askName(refusal);
    // If the user has chosen another room in the meantime, only the answer for that room counts.
    else if (asked === room) arrive(past);
  });
}

function arrive(past) {
  entered = true;
  page.entry.close();
  sessionStorage.setItem("name", name);
  clearTyping();
  // Otherwise a screen reader would read all earlier messages aloud.
  page.log.ariaBusy = "true";
  page.log.replaceChildren();
  follow();
  // Messages that only this page has are shown first, because they are older than those that the server still has.
  const ids = new Set([...past.map(({ id }) => id), ...unacknowledged.keys()]);
  const kept = [...shown.values()].filter(({ id }) => !ids.has(id));
  if (past.length + kept.length === 0) showLine(`It is quiet in the ${room}. Say something.`);
  shown.clear();
  for (const message of kept) showMessage(message);
  for (const message of past) {
    // If the message was not acknowledged yet, only its acknowledgement was lost.
    unacknowledged.delete(message.id);
    showMessage(message);
  }
  page.log.ariaBusy = "false";
  for (const message of unacknowledged.values()) {
    if (message.room !== room) continue;
    showMessage(message);
    send(message);
  }
}

addEventListener("hashchange", goToRoom);

// ── Who is here ─────────────────────────────────────────────────────────────────────────────────

socket.on("presence", (present) => {
  peopleByRoom = present;
  if (page.rooms.childElementCount === 0) page.rooms.append(...Object.keys(present).map(roomItem));
  goToRoom();
  showPresence();
});

socket.on("joined", (person) => showLine(`${person.name} joined`));

socket.on("left", (person) => {
  showLine(`${person.name} left`);
  showTyping(person, false);
});

function roomItem(title) {
  const link = create("a", "", title);
  link.href = `#${title}`;
  link.append(create("span", "count"));
  const item = create("li");
  item.append(link);
  return item;
}

function showPresence() {
  // The links are reused, because a new link would lose the focus.
  for (const link of page.rooms.querySelectorAll("a")) {
    const title = link.hash.slice(1);
    const count = socket.connected ? peopleByRoom[title].length : 0;
    link.ariaCurrent = title === room ? "page" : null;
    link.lastElementChild.textContent = count ? `${count} here` : "";
  }
  if (!socket.connected) {
    // The list of people is only correct while the page is connected.
    page.people.replaceChildren(create("li", "quiet", "Unknown while offline"));
    page.summary.textContent = "offline";
    return;
  }
  const people = (peopleByRoom[room] ?? []).toSorted((a, b) => a.name.localeCompare(b.name));
  page.people.replaceChildren(...people.map(personItem));
  page.summary.textContent = listOf.format(people.map((person) => person.name));
}

function personItem(person) {
  const item = create("li");
  item.append(avatar(person.name), create("span", "name", person.name));
  if (person.id === socket.id) item.append(create("span", "quiet", "you"));
  return item;
}

// ── Who is typing ───────────────────────────────────────────────────────────────────────────────

// The people who are typing, by id, each with the timer after which they are removed.
const typists = new Map();
let typingSaid = Number.NEGATIVE_INFINITY;
let typingEnd;

function sayTyping() {
  if (page.text.value === "") return stopTyping();
  clearTimeout(typingEnd);
  typingEnd = setTimeout(stopTyping, TYPING_END);
  if (!entered || performance.now() - typingSaid < TYPING_REPEAT) return;
  typingSaid = performance.now();
  socket.emit("typing", true);
}

function stopTyping() {
  clearTimeout(typingEnd);
  if (typingSaid === Number.NEGATIVE_INFINITY) return;
  typingSaid = Number.NEGATIVE_INFINITY;
  if (entered) socket.emit("typing", false);
}

socket.on("typing", showTyping);

function showTyping(person, on) {
  clearTimeout(typists.get(person.id)?.timer);
  typists.delete(person.id);
  // A person whose connection is lost cannot send that the typing has stopped, so a timer removes the person.
  const timer = on && setTimeout(showTyping, TYPING_END, person, false);
  if (on) typists.set(person.id, { person, timer });
  const names = [...typists.values()].map((typist) => typist.person.name);
  const are = names.length === 1 ? "is" : "are";
  const all = names.length > 3 ? "Several people" : listOf.format(names);
  page.typing.textContent = names.length === 0 ? "" : `${all} ${are} typing…`;
}

function clearTyping() {
  for (const { person } of typists.values()) showTyping(person, false);
}

// ── Messages ────────────────────────────────────────────────────────────────────────────────────

socket.on("message", (message) => {
  showTyping(message.from, false);
  showMessage(message);
});

function post(content) {
  const from = { id: socket.id, name };
  const message = { id: crypto.randomUUID(), room, from, at: Date.now(), content };
  ours.add(message.id);
  sessionStorage.setItem("ours", JSON.stringify([...ours].slice(-LINES)));
  unacknowledged.set(message.id, message);
  follow();
  showMessage(message);
  // Messages are not sent before the server has accepted us into the room. arrive() sends the waiting messages.
  if (entered) send(message);
}

function send({ id, content }) {
  socket.emit("message", id, content, (refusal) => {
    const { receipt } = unacknowledged.get(id) ?? {};
    // The message was sent twice, because the user left and entered the room before the first acknowledgement.
    if (receipt === undefined) return;
    unacknowledged.delete(id);
    if (refusal !== null) shown.delete(id);
    receipt.textContent = refusal ?? "delivered";
    receipt.dataset.state = refusal === null ? "delivered" : "refused";
  });
}

async function postImage(file) {
  if (room === "" || page.entry.open) return;
  page.error.hidden = true;
  const meant = room;
  try {
    const blob = await acceptable(file);
    const bytes = await blob.arrayBuffer();
    // If the user has changed the room, the message must not appear in the new room.
    if (room === meant) post(bytes);
  } catch {
    page.error.textContent = `${file.name} is no image that this browser can read.`;
    page.error.hidden = false;
  }
}

async function acceptable(file) {
  if (IMAGE_TYPES.includes(file.type) && file.size <= IMAGE_BYTES) return file;
  const bitmap = await createImageBitmap(file);
  for (let side = IMAGE_SIDE; ; side /= 2) {
    const blob = await draw(bitmap, side);
    if (blob.size <= IMAGE_BYTES) return blob;
  }
}

function draw(bitmap, side) {
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const width = Math.ceil(bitmap.width * scale);
  const height = Math.ceil(bitmap.height * scale);
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0, width, height);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.8 });
}

// ── The log ─────────────────────────────────────────────────────────────────────────────────────

// Whether the log scrolls to new entries. It does not while the user reads earlier ones.
let following = true;

function follow() {
  following = true;
  page.newer.hidden = true;
  page.log.scrollTop = page.log.scrollHeight;
}

function watchScrolling() {
  const { scrollHeight, scrollTop, clientHeight } = page.log;
  following = scrollHeight - scrollTop - clientHeight < 40;
  if (following) page.newer.hidden = true;
}

function add(element) {
  page.log.append(element);
  while (page.log.childElementCount > LINES) page.log.firstElementChild.remove();
  if (following) follow();
  else page.newer.hidden = false;
}

function showLine(text) {
  add(create("p", "line", text));
}

function showMessage(message) {
  const { id, from, at, content } = message;
  shown.set(id, message);
  if (shown.size > LINES) shown.delete(shown.keys().next().value);
  const element = create("article", "message");
  element.append(avatar(from.name), signature(message), body(from.name, content));
  element.classList.toggle("ours", ours.has(id));
  element.classList.toggle("more", isMore(message, page.log.lastElementChild));
  Object.assign(element.dataset, { from: ours.has(id) ? "ours" : from.id, at });
  if (ours.has(id)) {
    const waiting = unacknowledged.has(id);
    message.receipt = create("p", "receipt", waiting ? "sending…" : "delivered");
    message.receipt.dataset.state = waiting ? "waiting" : "delivered";
    element.append(message.receipt);
  }
  add(element);
}

function isMore({ id, from, at }, previous) {
  const author = ours.has(id) ? "ours" : from.id;
  return previous?.dataset.from === author && at - previous.dataset.at <= SAME_BREATH;
}

function signature({ from, at }) {
  const time = create("time", "", timeOf.format(at));
  time.dateTime = new Date(at).toISOString();
  const header = create("header");
  header.append(create("strong", "", from.name), time);
  return header;
}

function body(who, content) {
  if (typeof content !== "string") return imageButton(who, content);
  const text = create("p", "text");
  text.append(...withLinks(content));
  return text;
}

// Splits a text into plain text and links to web addresses. No part is interpreted as HTML.
function* withLinks(text) {
  let end = 0;
  for (const { 0: found, index } of text.matchAll(/\bhttps?:\/\/[^\s<>"]+/gi)) {
    const address = withoutPunctuation(found);
    const url = URL.parse(address);
    // An address with a user name is not linked: "https://bank.example@evil.example/" leads to evil.example.
    if (url === null || url.username !== "" || url.password !== "") continue;
    const link = create("a", "link", address);
    link.href = url.href;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    yield text.slice(end, index);
    yield link;
    end = index + address.length;
  }
  yield text.slice(end);
}

// Removes the punctuation after an address: the end of a sentence, or a closing bracket whose opening bracket precedes
// the address.
function withoutPunctuation(address) {
  const trimmed = address.replace(/[.,;:!?'*_]+$/, "");
  const isBalanced = trimmed.split("(").length >= trimmed.split(")").length;
  if (isBalanced || !trimmed.endsWith(")")) return trimmed;
  return withoutPunctuation(trimmed.slice(0, -1));
}

function imageButton(who, bytes) {
  const blob = new Blob([bytes]);
  const image = create("img");
  image.alt = `Image from ${who}`;
  // The size of the image is only known after it has loaded.
  image.addEventListener("load", () => following && follow());
  showBlob(image, blob);
  const button = create("button", "image");
  button.type = "button";
  button.title = "Show larger";
  button.append(image);
  button.addEventListener("click", () => {
    const large = page.viewer.querySelector("img");
    large.alt = image.alt;
    showBlob(large, blob);
    page.viewer.showModal();
  });
  return button;
}

function showBlob(image, blob) {
  const url = URL.createObjectURL(blob);
  const revoke = () => URL.revokeObjectURL(url);
  image.addEventListener("load", revoke, { once: true });
  image.addEventListener("error", revoke, { once: true });
  image.src = url;
}

function avatar(who) {
  const [initial = ""] = who;
  const element = create("span", "avatar", initial.toUpperCase());
  element.ariaHidden = "true";
  const hue = [...who].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
  element.style.setProperty("--hue", hue);
  return element;
}

function create(tag, className = "", text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

// ── What the user does ──────────────────────────────────────────────────────────────────────────

function askName(refusal = "") {
  page.name.value ||= name;
  name = "";
  page.refusal.textContent = refusal;
  if (!page.entry.open) page.entry.showModal();
}

page.entry.addEventListener("submit", (event) => {
  event.preventDefault();
  name = page.name.value.trim();
  enter();
});

// Escape closes a dialog. Without a name the chat cannot start, so the dialog opens again.
page.entry.addEventListener("close", () => {
  if (name === "") askName();
  else page.text.focus();
});

page.composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = page.text.value.trim();
  if (text === "" || room === "") return;
  page.error.hidden = true;
  page.text.value = "";
  stopTyping();
  post(text);
  page.text.focus();
});

page.text.addEventListener("input", sayTyping);

page.text.addEventListener("keydown", (event) => {
  // While an input method composes a character, Enter selects the character.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  page.composer.requestSubmit();
});

page.image.addEventListener("change", () => {
  const [file] = page.image.files;
  if (file !== undefined) postImage(file);
  // Without this line, selecting the same file again would not fire "change".
  page.image.value = "";
});

addEventListener("paste", ({ clipboardData }) => {
  const [file] = clipboardData.files;
  // Text that was copied from an office program includes an image of the text.
  if (file !== undefined && !clipboardData.types.includes("text/plain")) postImage(file);
});

// The whole window accepts files. Otherwise the browser would open a file that is dropped beside the log.
addEventListener("dragover", (event) => {
  event.preventDefault();
  page.drop.hidden = page.entry.open || !event.dataTransfer.types.includes("Files");
});

addEventListener("dragleave", ({ relatedTarget }) => {
  if (relatedTarget === null) page.drop.hidden = true;
});

addEventListener("drop", (event) => {
  event.preventDefault();
  page.drop.hidden = true;
  const [file] = event.dataTransfer.files;
  if (file !== undefined) postImage(file);
});

page.viewer.addEventListener("click", () => page.viewer.close());
page.newer.addEventListener("click", follow);
page.log.addEventListener("scroll", watchScrolling);
// When the on-screen keyboard of a phone makes the log smaller, the log scrolls to the newest message again.
new ResizeObserver(() => following && follow()).observe(page.log);
// Some browsers do not let the keyboard scroll an element without focus.
page.log.tabIndex = 0;
