// Measures the objects of the program, without what V8 stores about the program. V8 compiles a function again when it is
// called with further types, and records these types. Therefore the heap of a server still grows after hours, although the
// program keeps nothing.

import { text } from "node:stream/consumers";
import { getHeapSnapshot } from "node:v8";

/** The types of nodes in a heap snapshot that contain compiled code, recorded types and other data of V8. */
const TYPES_OF_V8: ReadonlySet<string> = new Set(["code", "hidden", "object shape"]);

/**
 * The properties of a heap snapshot that this module reads. `nodes` contains all fields of all nodes in one list of
 * numbers, and each node has the same number of fields.
 */
interface HeapSnapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[];
      readonly node_types: readonly [readonly string[], ...unknown[]];
    };
  };
  readonly nodes: readonly number[];
}

/**
 * Returns the bytes of all objects, arrays, strings and functions of the program after a garbage collection. The event
 * loop is blocked for about a second.
 */
export async function programBytes(): Promise<number> {
  const { snapshot, nodes }: HeapSnapshot = JSON.parse(await text(getHeapSnapshot()));
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [typeAt, sizeAt] = [fields.indexOf("type"), fields.indexOf("self_size")];
  let bytes = 0;
  for (let node = 0; node < nodes.length; node += fields.length) {
    const type = types[0][nodes[node + typeAt] ?? -1] ?? "";
    if (!TYPES_OF_V8.has(type)) bytes += nodes[node + sizeAt] ?? 0;
  }
  return bytes;
}
