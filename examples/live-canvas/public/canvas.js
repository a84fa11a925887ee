// The script of the canvas page. It shows each stroke at once, and repeats it until the server has acknowledged it.

import { io } from "/socket.io/socket.io.esm.min.js";
import { decode, encode, SHEET, trace } from "/stroke.js";

const MAX = { strokes: 2000, points: 1000 };
const CURSOR_EVERY = 40;
const CURSOR_END = 2500;
const NOTICE_END = 5000;

const page = Object.fromEntries(
  [...document.querySelectorAll("[id]")].map((element) => [element.id, element]),
);
const drawing = page.drawing.getContext("2d");
const surface = page.surface.getContext("2d");
const transports = new URLSearchParams(location.search).get("transports")?.split(",");
const socket = io({ transports, auth: { key: crypto.randomUUID() } });

// The strokes by their ids: all strokes, the strokes of this page, and the strokes that the server has not
// acknowledged yet.
const strokes = new Map();
const mine = new Set();
const waiting = new Map();

// ── The network ─────────────────────────────────────────────────────────────────────────────────

// How many missed strokes were received so far, during a recovery.
let recovered = 0;
let noticeEnd;

socket.on("connect", () => {
  recovered = 0;
  showNetwork();
});

socket.on("disconnect", (reason) => {
  // The client does not reconnect by itself in two cases: the server has disconnected the client, or the user has turned
  // the network switch off and on again before the connection had ended.
  if (!socket.active) socket.connect();
  else if (reason === "forced close" && isOn()) socket.io.connect();
  for (const cursor of cursors.values()) rest(cursor);
  showNetwork();
});

socket.on("connect_error", showNetwork);

// Received after the missed strokes. `whole` is null for a page that has recovered.
socket.on("welcome", (whole, received) => {
  received();
  const number = count(recovered, "stroke");
  if (whole === null) {
    notify(recovered === 0 ? "Back, and nothing was missed" : `Recovered ${number}`);
    return;
  }
  strokes.clear();
  for (const stroke of decode(whole)) strokes.set(stroke.id, stroke);
  notify(strokes.size === 0 ? "" : "Loaded the whole drawing");
  for (const stroke of waiting.values()) strokes.set(stroke.id, stroke);
  repaint();
});

page.network.addEventListener("click", () => {
  const on = !isOn();
  page.network.ariaChecked = on;
  socket.io.reconnection(on);
  // socket.connect() would have no effect, because the socket is still trying to connect.
  if (on) socket.io.connect();
  else socket.io.engine.close();
  showNetwork();
});

function isOn() {
  return page.network.ariaChecked === "true";
}

function showNetwork() {
  const state = !isOn() ? "offline" : socket.connected ? "online" : "connecting";
  document.body.dataset.state = state;
  page.link.textContent =
    { online: "Connected", offline: "Off: you draw alone" }[state] ?? "Connecting…";
  if (state === "online") return;
  const title = state === "offline" ? "Offline" : "Connecting";
  notify(`${title} · ${count(waiting.size, "stroke")} waiting`);
}

function notify(text) {
  clearTimeout(noticeEnd);
  page.notice.textContent = text;
  if (text === "" || !socket.connected) return;
  noticeEnd = setTimeout(() => notify(""), NOTICE_END);
}

/**
 * Sends an event. If the connection breaks before the acknowledgement, sends the event again, as long as it is wanted.
 */
async function deliver(event, content, isWanted) {
  for (;;) {
    try {
      return await socket.emitWithAck(event, content);
    } catch (error) {
      if (error.code !== "ERR_DISCONNECTED") throw error;
      if (!isWanted()) return null;
    }
  }
}

// ── Strokes ─────────────────────────────────────────────────────────────────────────────────────

socket.on("stroke", (bytes, from) => {
  const cursor = cursors.get(from);
  if (cursor !== undefined) cursor.trail = undefined;
  for (const stroke of decode(bytes)) {
    if (strokes.has(stroke.id)) continue;
    recovered++;
    add(stroke);
  }
});

socket.on("erased", (ids) => {
  for (const id of ids) strokes.delete(id);
  repaint();
});

function add(stroke) {
  strokes.set(stroke.id, stroke);
  for (const id of strokes.keys()) {
    if (strokes.size <= MAX.strokes) break;
    strokes.delete(id);
    stale = true;
  }
  if (!stale) trace(drawing, stroke, colours);
  paintSoon();
}

async function post(bytes) {
  const [stroke] = decode(bytes);
  const { id } = stroke;
  mine.add(id);
  waiting.set(id, stroke);
  add(stroke);
  if (!socket.connected) showNetwork();
  const refusal = await deliver("stroke", bytes, () => waiting.has(id));
  waiting.delete(id);
  if (refusal === null) return;
  strokes.delete(id);
  notify(`Refused: ${refusal}`);
  repaint();
}

page.clear.addEventListener("click", () => {
  const ids = [...mine].filter((id) => strokes.has(id));
  mine.clear();
  for (const id of ids) {
    strokes.delete(id);
    waiting.delete(id);
  }
  deliver("erase", ids, () => true);
  if (!socket.connected) showNetwork();
  repaint();
});

// ── Painting ────────────────────────────────────────────────────────────────────────────────────

let colours = [];
// Whether the whole drawing must be painted again.
let stale = true;
let asked = false;

function repaint() {
  stale = true;
  paintSoon();
}

function paintSoon() {
  if (!asked) requestAnimationFrame(paint);
  asked = true;
}

function paint() {
  asked = false;
  const { width, height } = page.drawing;
  if (stale) {
    stale = false;
    drawing.clearRect(0, 0, width, height);
    for (const stroke of strokes.values()) trace(drawing, stroke, colours);
  }
  surface.clearRect(0, 0, width, height);
  for (const { trail } of cursors.values()) if (trail) trace(surface, trail, colours);
  if (current) trace(surface, current, colours);
  page.count.textContent = count(strokes.size, "stroke");
  page.hint.hidden = strokes.size > 0 || current !== undefined;
  page.clear.disabled = ![...mine].some((id) => strokes.has(id));
}

function fit() {
  const { width, height } = page.sheet.getBoundingClientRect();
  for (const canvas of [page.drawing, page.surface]) {
    canvas.width = Math.round(width * devicePixelRatio);
    canvas.height = Math.round(height * devicePixelRatio);
  }
  const labels = document.querySelectorAll(".colours label");
  colours = [...labels].map((label) => getComputedStyle(label).color);
  repaint();
}

// ── The pen ─────────────────────────────────────────────────────────────────────────────────────

let current;
let cursorSaid = 0;

page.surface.addEventListener("pointerdown", (event) => {
  if (!event.isPrimary || event.button !== 0) return;
  // The server does not store more strokes than this, either.
  if (waiting.size >= MAX.strokes) return notify("Too many strokes are waiting");
  page.surface.setPointerCapture(event.pointerId);
  begin(placeOf(event));
});

page.surface.addEventListener("pointermove", (event) => {
  if (!event.isPrimary) return;
  if (current) for (const each of event.getCoalescedEvents?.() ?? [event]) extend(placeOf(each));
  if (event.timeStamp - cursorSaid < CURSOR_EVERY) return;
  cursorSaid = event.timeStamp;
  sayCursor(placeOf(event));
});

for (const end of ["pointerup", "pointercancel"]) page.surface.addEventListener(end, finish);

function begin(place) {
  const [colour, width] = ["colour", "width"].map((name) =>
    Number(document.querySelector(`[name=${name}]:checked`).value),
  );
  current = { colour, width, points: [...place] };
  paintSoon();
}

function extend([x, y]) {
  const { points } = current;
  if (Math.hypot(x - points.at(-2), y - points.at(-1)) < 60) return;
  points.push(x, y);
  paintSoon();
  if (points.length < MAX.points * 2) return;
  finish();
  begin([x, y]);
}

function finish() {
  if (current === undefined) return;
  const bytes = encode(current);
  current = undefined;
  post(bytes);
}

function placeOf({ clientX, clientY }) {
  const { left, top, width, height } = page.surface.getBoundingClientRect();
  const within = (part) => Math.round(Math.min(Math.max(part, 0), 1) * SHEET);
  return [within((clientX - left) / width), within((clientY - top) / height)];
}

// ── The others ──────────────────────────────────────────────────────────────────────────────────

const cursors = new Map();

function sayCursor(place) {
  const { colour = 0, width = 0 } = current ?? {};
  socket.volatile.emit("cursor", ...place, colour, width);
}

socket.on("people", (people) => {
  for (const [id, cursor] of cursors) {
    if (people.some((person) => person.id === id)) continue;
    rest(cursor);
    cursor.element.remove();
    cursors.delete(id);
  }
  for (const person of people) {
    if (person.id !== socket.id && !cursors.has(person.id)) addCursor(person);
  }
  page.people.replaceChildren(...people.map(personItem));
});

function personItem({ id, name, hue }) {
  const item = create("li", "", name);
  item.style.setProperty("--hue", hue);
  if (id === socket.id) item.append(create("span", "quiet", "you"));
  return item;
}

function addCursor({ id, name, hue }) {
  const element = create("div", "cursor");
  element.append(create("span", "", name));
  element.style.setProperty("--hue", hue);
  page.cursors.append(element);
  cursors.set(id, { element, trail: undefined, end: undefined });
}

socket.on("cursor", (from, x, y, colour, width) => {
  const cursor = cursors.get(from);
  if (cursor === undefined) return;
  cursor.element.style.setProperty("--x", x / SHEET);
  cursor.element.style.setProperty("--y", y / SHEET);
  cursor.element.classList.add("moving");
  clearTimeout(cursor.end);
  cursor.end = setTimeout(rest, CURSOR_END, cursor);
  // Points that another person is drawing are shown before the complete stroke is received.
  if (width === 0) cursor.trail = undefined;
  else if (cursor.trail?.points.length < MAX.points) cursor.trail.points.push(x, y);
  else cursor.trail = { colour, width, points: [x, y] };
  paintSoon();
});

function rest(cursor) {
  clearTimeout(cursor.end);
  cursor.element.classList.remove("moving");
  cursor.trail = undefined;
  paintSoon();
}

function create(tag, className = "", text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

new ResizeObserver(fit).observe(page.sheet);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", fit);
