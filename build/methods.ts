// Takes out of a bundle the methods that nothing in it names. Bundlers keep every method of a class
// that is used, as they cannot know which a program calls by a name that it makes up; a program that
// does so is not for this.

import { parse } from "acorn";

interface Found {
  readonly start: number;
  readonly end: number;
  readonly name: string;
  /** Names that its body has. */
  readonly names: ReadonlySet<string>;
}

/** What Node or the language calls, of what it is given. */
const CALLED_BY_OTHERS = [
  // What node:events calls of an emitter that it is given; once(), on() and the like.
  "emit",
  "getMaxListeners",
  "listenerCount",
  "listeners",
  "off",
  "on",
  "once",
  "removeListener",
  "setMaxListeners",
  ...Object.getOwnPropertyNames(Object.prototype),
  "then",
  "toJSON",
];

type Node = Readonly<Record<string, unknown>>;

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && !(value instanceof RegExp);
}

function nameOf(key: unknown): string {
  if (!isNode(key)) return "";
  return `${key.type === "PrivateIdentifier" ? "#" : ""}${key.name ?? key.value}`;
}

/** Collects the names in a part of a program, and the methods apart from them. */
function collect(node: unknown, names: Set<string>, methods: Found[]): void {
  if (!isNode(node)) return;
  if (node.type === "MethodDefinition" && node.kind !== "constructor" && node.computed === false) {
    const own = new Set<string>();
    collect(node.value, own, methods);
    const { start, end } = node;
    if (typeof start !== "number" || typeof end !== "number") return;
    methods.push({ start, end, name: nameOf(node.key), names: own });
    return;
  }
  // A string may be the name in `object[name]`.
  if (node.type === "Literal" && typeof node.value === "string") names.add(node.value);
  if (node.type === "Identifier" || node.type === "PrivateIdentifier") names.add(nameOf(node));
  for (const child of Object.values(node)) collect(child, names, methods);
}

/** The bundle without them. */
export function withoutUnnamed(code: string): string {
  const live = new Set<string>(CALLED_BY_OTHERS);
  let methods: Found[] = [];
  collect(parse(code, { ecmaVersion: 2023, sourceType: "script" }), live, methods);
  for (let known = -1; known !== live.size; ) {
    known = live.size;
    for (const { name, names } of methods) {
      if (live.has(name)) for (const each of names) live.add(each);
    }
  }
  methods = methods.filter(({ name }) => !live.has(name)).sort((a, b) => b.start - a.start);
  for (const { start, end } of methods) code = code.slice(0, start) + code.slice(end);
  return code;
}
