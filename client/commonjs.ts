// What require("barewire/client") gives: the function io(), which has all exports as properties, as
// that of socket.io-client.

import * as client from "./index.ts";

const { io } = client;
const callable = Object.assign((...args: Parameters<typeof io>) => io(...args), client);

export { callable as "module.exports" };
