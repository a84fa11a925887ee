// Checks the links of the documentation: each link leads to an existing file and heading, and each page can be
// reached from docs/README.md.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, test } from "node:test";

const ROOT = join(import.meta.dirname, "..");
const DOOR = join(ROOT, "docs/README.md");

const PAGES = [
  ...readdirSync(ROOT).filter((name) => name.endsWith(".md")),
  ...["docs", "lib", "protocol", "bench", "conformance", "examples"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".md"))
      .map((name) => join(folder, name)),
  ),
]
  // docs/api is generated, and TypeDoc checks its links.
  .filter((name) => !name.startsWith(join("docs", "api")))
  .map((name) => join(ROOT, name));

interface Link {
  readonly file: string;
  readonly anchor: string | undefined;
}

/** Returns a page without its code blocks, because brackets in code are not links. */
function prose(page: string): string {
  return readFileSync(page, "utf8").replace(/^( *)```.*?^\1```$/gms, "");
}

function linksOf(page: string): Link[] {
  return [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^\w+:/.test(target))
    .map((target) => {
      const [path = "", anchor] = target.split("#");
      return { file: path === "" ? page : join(dirname(page), decodeURI(path)), anchor };
    });
}

/** Returns the anchors that GitHub generates for the headings of a page. */
function anchorsOf(page: string): Set<string> {
  const headings = [...prose(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .trim()
        .replaceAll(/\s/g, "-"),
    ),
  );
}

describe("links in the documentation", () => {
  for (const page of PAGES) {
    test(relative(ROOT, page), () => {
      for (const { file, anchor } of linksOf(page)) {
        assert.ok(existsSync(file), `${relative(ROOT, file)} is not there`);
        if (anchor === undefined || !file.endsWith(".md")) continue;
        const text = readFileSync(file, "utf8");
        const [, line] = /^L(\d+)$/.exec(anchor) ?? [];
        const known =
          line === undefined
            ? anchorsOf(file).has(anchor)
            : text.split("\n").length >= Number(line);
        assert.ok(known, `${relative(ROOT, file)} has no #${anchor}`);
      }
    });
  }

  test("every page can be reached from docs/README.md", () => {
    const reached = new Set([DOOR]);
    for (const page of reached) {
      for (const { file } of linksOf(page)) {
        const isPage = existsSync(file) && statSync(file).isFile() && file.endsWith(".md");
        if (isPage) reached.add(file);
      }
    }
    const missed = PAGES.filter((page) => !reached.has(page)).map((page) => relative(ROOT, page));
    assert.deepEqual(missed, []);
  });
});
