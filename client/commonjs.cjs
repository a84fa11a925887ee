// What require("barewire/client") returns: the function io(), with all exports as its properties, as
// socket.io-client has it.

"use strict";

const client = require("./index.js");

module.exports = Object.assign((...args) => client.io(...args), client);
