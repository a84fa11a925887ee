// A signalling server with simple-signal-server, which forwards messages from one client to another.

const http = require("node:http");
const { Server } = require("socket.io");
const SimpleSignalServer = require("simple-signal-server");

const server = http.createServer();
const io = new Server(server);
const signal = new SimpleSignalServer(io);
const names = new Map();

signal.on("discover", ({ socket, discoveryData, discover }) => {
  names.set(discoveryData.name, socket.id);
  discover({ ids: [...names] });
});
signal.on("request", (request) => request.forward({ ...request.metadata, by: "server" }));
signal.on("disconnect", (socket) => {
  for (const [name, id] of names) if (id === socket.id) names.delete(name);
});
server.listen(0, "127.0.0.1");
