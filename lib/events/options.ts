// Checks the names, types and ranges of the options that a program passes. Each constructor has a table with a check
// for each of its options.
//
//   pingInterval must be a positive number of milliseconds, got "25s"
//   unknown option "pingIntervall"; did you mean "pingInterval"?

import { ArgumentRangeError, ArgumentTypeError } from "./errors.ts";
import { invalidOption, unknownOption } from "./option-mistakes.ts";

/**
 * Throws if the value of an option is invalid. `undefined` is always valid, and means the default.
 *
 * @param name the option's name, such as "cors.origin"
 */
export type Check = (value: unknown, name: string) => void;

/** A check for each option. `Stock` names options of socket.io that are accepted and have no effect. */
export type OptionTable<Options, Stock extends string = never> = Readonly<
  Record<keyof Options | Stock, Check>
>;

/**
 * The longest delay of a timer, in milliseconds. With a longer delay, Node and browsers call the function of the timer
 * immediately.
 */
const MAX_TIMER = 0x7fffffff;

/**
 * Checks the options of a constructor.
 *
 * @param path the name of the option that contains these options, such as "cors". Default: none
 * @throws ArgumentTypeError if an option is unknown, or its value has the wrong type
 * @throws ArgumentRangeError if a value is out of range
 */
export function checkOptions(
  options: unknown,
  table: Readonly<Record<string, Check>>,
  path?: string,
): void {
  if (!isObject(options)) {
    throw new ArgumentTypeError(invalidOption(path ?? "options", "an object", options));
  }
  const prefix = path === undefined ? "" : `${path}.`;
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(table, name)) {
      throw new ArgumentTypeError(unknownOption(prefix, name, Object.keys(table)));
    }
  }
  for (const [name, check] of Object.entries(table)) {
    if (name in options) check(Reflect.get(options, name), prefix + name);
  }
}

/**
 * Returns a check.
 *
 * @param expected the valid values, as the error message describes them
 * @param isType returns whether a value has the right type
 * @param fits returns whether a value of the right type is in range. Default: every value is in range
 */
export function checkThat<Value>(
  expected: string,
  isType: (value: unknown) => value is Value,
  fits: (value: Value) => boolean = () => true,
): Check {
  return (value, name) => {
    if (value === undefined) return;
    if (!isType(value)) throw new ArgumentTypeError(invalidOption(name, expected, value));
    if (!fits(value)) throw new ArgumentRangeError(invalidOption(name, expected, value));
  };
}

/**
 * Returns a check for a number.
 *
 * @param expected the valid numbers, as the error message describes them
 */
export function number(expected: string, fits: (value: number) => boolean): Check {
  return checkThat(expected, isNumber, fits);
}

export const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";
export const isNumber = (value: unknown): value is number => typeof value === "number";
export const isString = (value: unknown): value is string => typeof value === "string";
export const isFunction = (value: unknown): value is (...args: never[]) => unknown =>
  typeof value === "function";
export const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const boolean: Check = checkThat("a boolean", isBoolean);
export const string: Check = checkThat("a string", isString);
export const object: Check = checkThat("an object", isObject);

/** Checks a number of milliseconds. The number must not exceed the longest delay of a timer. */
export const milliseconds: Check = number(
  `a number of milliseconds from 0 to ${MAX_TIMER}`,
  (value) => value >= 0 && value <= MAX_TIMER,
);
/** Checks a limit, such as the largest number of attachments. `Infinity` means no limit. */
export const limit: Check = number(
  "an integer, 0 or more, or Infinity",
  (value) => value >= 0 && (Number.isSafeInteger(value) || value === Number.POSITIVE_INFINITY),
);
/** Checks the path of HTTP requests. A path that does not start with "/" would match no request. */
export const urlPath: Check = checkThat('a string that starts with "/"', isString, (value) =>
  value.startsWith("/"),
);
/** Checks the option `parser`: an object with the classes that encode and decode packets. */
export const parser: Check = checkThat(
  "an object with the classes Encoder and Decoder",
  (value): value is object =>
    isObject(value) && ["Encoder", "Decoder"].every((name) => isFunction(Reflect.get(value, name))),
);
/** Checks an object with the header fields of an HTTP request, by name. */
export const headerFields: Check = checkThat(
  "an object of strings, numbers and lists of these",
  isObject,
  (value) =>
    Object.values(value)
      .flat()
      .every((each) => isString(each) || isNumber(each)),
);
