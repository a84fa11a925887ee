// What require("barewire") returns: a function that creates a server, as programs for socket.io call
// it, with all exports as its properties.

"use strict";

const barewire = require("./server.js");

module.exports = Object.assign((...args) => new barewire.Server(...args), barewire);
