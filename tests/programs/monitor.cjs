// A server with the Admin UI of socket.io, which shows and controls the sockets and rooms of the server.

const http = require("node:http");
const { Server } = require("socket.io");
const { instrument } = require("@socket.io/admin-ui");

const server = http.createServer();
const io = new Server(server);
instrument(io, { auth: false, mode: "development", serverId: "test" });
io.on("connection", (socket) => {
  socket.on("chat", (text) => socket.emit("chat", text));
});
server.listen(0, "127.0.0.1");
