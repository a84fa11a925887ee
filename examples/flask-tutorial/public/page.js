// The script of the tutorial's page. It uses the client 1.3.6, which is a classic script and defines the global `io`.

const socket = io.connect(location.origin);
const test = io.connect(`${location.origin}/test`);

const byId = (id) => document.getElementById(id);
const log = (line) => {
  const item = document.createElement("li");
  item.textContent = line;
  byId("log").append(item);
};
const onSubmit = (id, send) => {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    byId("error").hidden = true;
    try {
      send(byId(id).querySelector("input").value);
    } catch (error) {
      byId("error").textContent = `Not sent: ${error.message}`;
      byId("error").hidden = false;
    }
  });
};

socket.on("connect", () => {
  byId("state").textContent = "connected";
  socket.emit("my event", { data: "I'm connected!" }, (answer) => log(`acknowledged: ${answer}`));
});
socket.on("disconnect", () => {
  byId("state").textContent = "disconnected";
});
socket.on("message", (message) => log(`message: ${message}`));
socket.on("json", (json) => log(`json: ${JSON.stringify(json)}`));
socket.on("my response", (response) => log(`my response: ${JSON.stringify(response)}`));
test.on("my_response", (response) => log(`/test my_response: ${JSON.stringify(response)}`));

onSubmit("message", (text) => socket.send(text));
onSubmit("json", (text) => socket.emit("json", JSON.parse(text)));
onSubmit("event", (text) => socket.emit("my event", { data: text }));
onSubmit("namespace", (text) => test.emit("my_event", { data: text }));
