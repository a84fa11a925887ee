// What a client of Engine.IO and Socket.IO is told by servers that speak neither: always the same.

export const OPEN_PACKET =
  '0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":[],"pingInterval":600000,"pingTimeout":600000,"maxPayload":1000000}';
export const CONNECT_PACKET = '40{"sid":"wZX3oN0bSVIhsaknAAAI"}';
export const BURST_PREFIX = '42["burst",';
