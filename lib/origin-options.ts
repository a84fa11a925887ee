// The checks of the options `origins` and `trustedProxies`, for Engine and WebSocketServer.

import { type Check, checkThat, isFunction, isString } from "./events/options.ts";
import { parseOrigin } from "./origins.ts";
import { parseRange } from "./trusted-proxies.ts";

const isOrigin = (value: unknown): boolean => isString(value) && parseOrigin(value) !== undefined;

export const origins: Check = checkThat(
  '"same", "*", a list of origins such as "https://example.com", or a function',
  (value): value is unknown =>
    value === "same" ||
    value === "*" ||
    isFunction(value) ||
    (Array.isArray(value) && value.every(isOrigin)),
);

const isRange = (value: unknown): boolean => isString(value) && parseRange(value) !== undefined;

export const trustedProxies: Check = checkThat(
  '"none", "loopback", or a list of IP addresses and CIDR ranges',
  (value): value is unknown =>
    value === "none" || value === "loopback" || (Array.isArray(value) && value.every(isRange)),
);
