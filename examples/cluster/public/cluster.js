// The page of the cluster: six clients, and a card for each node with the clients that it serves.

const KINDS = { polling: ["polling"], websocket: ["websocket"], both: ["polling", "websocket"] };
const page = Math.random().toString(36).slice(2, 6);
const clients = Object.entries(KINDS).flatMap(([kind, transports]) =>
  [1, 2].map((number) =>
    io({
      transports,
      forceNew: true,
      auth: { name: `${page}: ${kind} ${number}` },
      // With this parameter, haproxy ignores its cookie. Otherwise all six clients would be on one node.
      query: { spread: "" },
    }),
  ),
);

const byNode = new Map([1, 2, 3].map((node) => [`${node}`, []]));
let running = [1, 2, 3];

/** Sends an event from the first connected client, because the node of another client may have been killed. */
const send = (...event) => clients.find(({ connected }) => connected)?.emit(...event);

function show() {
  const cards = [...byNode].map(([node, names]) => {
    const up = running.includes(Number(node));
    const card = document.createElement("section");
    card.classList.toggle("down", !up);
    const title = document.createElement("h2");
    title.textContent = `Node ${node}`;
    const list = document.createElement("ul");
    for (const name of up ? names : []) {
      const item = document.createElement("li");
      item.textContent = name;
      list.append(item);
    }
    const button = document.createElement("button");
    button.textContent = up ? "Kill" : "Start";
    button.addEventListener("click", () => send("command", up ? "kill" : "start", node));
    card.append(title, list, button);
    return card;
  });
  document.getElementById("nodes").replaceChildren(...cards);
}

let broadcasts = 0;
document.getElementById("say").addEventListener("click", () => {
  broadcasts += 1;
  send("say", `hello ${broadcasts} of ${page}`);
});

const heard = new Map();
for (const client of clients) {
  client.on("clients", (node, names) => {
    byNode.set(node, names);
    show();
  });
  client.on("running", (nodes) => {
    running = nodes;
    for (const node of byNode.keys()) if (!nodes.includes(Number(node))) byNode.set(node, []);
    show();
  });
  client.on("said", (text, node) => {
    const count = (heard.get(text) ?? 0) + 1;
    heard.set(text, count);
    document.getElementById("heard").value =
      `"${text}", sent by node ${node}: received ${count} times by the clients of this page`;
  });
}
show();
