// The module that require("barewire/client") returns: the function io(), with all exports as its properties, as in
// socket.io-client.

"use strict";

const client = require("./index.js");

module.exports = Object.assign((...args) => client.io(...args), client);
