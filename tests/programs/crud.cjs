// A Feathers service on the package "socket.io", which is socket.io or barewire: see tests/support/environment.ts.

const { feathers } = require("@feathersjs/feathers");
const socketio = require("@feathersjs/socketio");

class Messages {
  messages = [];
  async find() {
    return this.messages;
  }
  async get(id) {
    const found = this.messages.find((message) => message.id === Number(id));
    if (found === undefined) throw new Error(`no message ${id}`);
    return found;
  }
  async create(data) {
    const message = { id: this.messages.length, ...data };
    this.messages.push(message);
    return message;
  }
  async patch(id, data) {
    return Object.assign(await this.get(id), data);
  }
  async remove(id) {
    const message = await this.get(id);
    this.messages.splice(this.messages.indexOf(message), 1);
    return message;
  }
}

const app = feathers();
app.configure(
  socketio((io) => {
    io.use((socket, next) => {
      socket.feathers.user = socket.handshake.auth.user;
      next();
    });
  }),
);
app.use("messages", new Messages());
app.on("connection", (connection) => app.channel("everybody").join(connection));
app.publish(() => app.channel("everybody"));
app.listen(0, "127.0.0.1");
