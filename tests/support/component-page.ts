// A page in jsdom with one component of React, Vue or Svelte. The bundle contains the library and our client for
// browsers, and runs in the page.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { TestContext } from "node:test";

import { type BuildOptions, build, type Plugin } from "esbuild";

import { BROWSER_BYTES } from "../../build/bundle.ts";
import { until } from "./net.ts";

/** The members of a page's window that the tests use. */
interface PageWindow {
  readonly document: PageDocument;
  readonly Event: new (name: string, options: { bubbles: boolean }) => object;
  readonly HTMLInputElement: { readonly prototype: object };
  eval(code: string): unknown;
  close(): void;
}

interface PageDocument {
  querySelector(selector: string): PageElement | null;
  querySelectorAll(selector: string): Iterable<PageElement>;
}

interface PageElement {
  readonly textContent: string;
  readonly value: string;
  dispatchEvent(event: object): boolean;
  requestSubmit(): void;
}

interface Jsdom {
  readonly JSDOM: new (html: string, options: object) => { readonly window: PageWindow };
}

interface VueCompiler {
  parse(
    code: string,
    options: { filename: string },
  ): { readonly descriptor: object; readonly errors: readonly unknown[] };
  compileScript(
    descriptor: object,
    options: { id: string; inlineTemplate: boolean },
  ): { readonly content: string };
}

interface SvelteCompiler {
  compile(
    code: string,
    options: { filename: string; dev: boolean },
  ): { readonly js: { readonly code: string }; readonly warnings: readonly unknown[] };
}

// The names are variables, not literals: the declarations of these packages would add the DOM types to all sources,
// which are compiled for Node.
const [JSDOM_NAME, VUE_NAME, SVELTE_NAME]: readonly string[] = [
  "jsdom",
  "vue/compiler-sfc",
  "svelte/compiler",
];
const { JSDOM }: Jsdom = await import(`${JSDOM_NAME}`);
const { compileScript, parse }: VueCompiler = await import(`${VUE_NAME}`);
const { compile }: SvelteCompiler = await import(`${SVELTE_NAME}`);

/** For each library, code that mounts and unmounts the component Chat. */
const ENTRIES = {
  react: `
    import { createElement, StrictMode } from "react";
    import { createRoot } from "react-dom/client";
    import { Chat } from "./Chat.tsx";
    let root;
    window.mount = (target) => {
      root = createRoot(target);
      root.render(createElement(StrictMode, null, createElement(Chat)));
    };
    window.unmount = () => root.unmount();
    import { socket } from "./use-socket.ts";
    window.listeners = () => socket.listeners("message").length;`,
  vue: `
    import { createApp } from "vue";
    import Chat from "./Chat.vue";
    let app;
    window.mount = (target) => { app = createApp(Chat); app.mount(target); };
    window.unmount = () => app.unmount();
    import { socket } from "./use-socket.ts";
    window.listeners = () => socket.listeners("message").length;`,
  svelte: `
    import { mount, unmount } from "svelte";
    import Chat from "./Chat.svelte";
    let chat;
    window.mount = (target) => { chat = mount(Chat, { target }); };
    window.unmount = () => unmount(chat);
    import { socket } from "./socket.ts";
    window.listeners = () => socket.listeners("message").length;`,
} as const;

export type ComponentLibrary = keyof typeof ENTRIES;
export const COMPONENT_LIBRARIES = ["react", "vue", "svelte"] as const satisfies ComponentLibrary[];

const COMPONENTS: Plugin = {
  name: "components",
  setup: ({ onLoad }) => {
    onLoad({ filter: /\.vue$/ }, ({ path }) => {
      const { descriptor, errors } = parse(readFileSync(path, "utf8"), { filename: path });
      assert.deepEqual(errors, []);
      const { content } = compileScript(descriptor, { id: "chat", inlineTemplate: true });
      return { contents: content, loader: "ts" };
    });
    onLoad({ filter: /\.svelte$/ }, ({ path }) => {
      const { js, warnings } = compile(readFileSync(path, "utf8"), { filename: path, dev: true });
      assert.deepEqual(warnings, []);
      return { contents: js.code, loader: "js" };
    });
  },
};

export class ComponentPage {
  readonly #window: PageWindow;

  private constructor(window: PageWindow) {
    this.#window = window;
  }

  /**
   * Opens a page with the component in `folder`, connected to the server on this port. The page is closed when the
   * test ends.
   */
  static async open(
    context: TestContext,
    library: ComponentLibrary,
    folder: string,
    port: number,
  ): Promise<ComponentPage> {
    const options: BuildOptions = {
      stdin: { contents: ENTRIES[library], resolveDir: folder, loader: "js" },
      bundle: true,
      write: false,
      platform: "browser",
      format: "iife",
      jsx: "automatic",
      conditions: ["browser", "development"],
      define: { "process.env.NODE_ENV": '"development"' },
      logLevel: "error",
      plugins: [BROWSER_BYTES, COMPONENTS],
    };
    const { outputFiles = [] } = await build(options);
    const { window } = new JSDOM('<!doctype html><main id="app"></main>', {
      url: `http://127.0.0.1:${port}/`,
      runScripts: "outside-only",
      pretendToBeVisual: true,
      beforeParse: (page: object) => {
        // jsdom lacks these globals. Node's fetch() does not accept the AbortSignal of jsdom.
        const fetchHere = (url: string, { signal: _signal, ...init }: RequestInit) =>
          fetch(url, init);
        Object.assign(page, { TextDecoder, TextEncoder, fetch: fetchHere });
      },
    });
    context.after(() => window.close());
    window.eval(outputFiles[0]?.text ?? "");
    return new ComponentPage(window);
  }

  mount(): void {
    this.#window.eval('mount(document.getElementById("app"))');
  }

  unmount(): void {
    this.#window.eval("unmount()");
  }

  /** Resolves when the status element contains this text. */
  async status(text: string): Promise<void> {
    await until(() => this.#texts('[role="status"]').includes(text));
  }

  /** The number of listeners for messages on the socket. */
  get listeners(): unknown {
    return this.#window.eval("listeners()");
  }

  get messages(): string[] {
    return this.#texts("li");
  }

  #texts(selector: string): string[] {
    const elements = this.#window.document.querySelectorAll(selector);
    return Array.from(elements, ({ textContent }) => textContent);
  }

  /** Enters a text into the input field and submits it. */
  async send(text: string): Promise<void> {
    const { document, Event, HTMLInputElement } = this.#window;
    const input = document.querySelector("input");
    assert.ok(input !== null);
    // React overrides the setter of its input elements, so the setter of the prototype is called.
    Reflect.set(HTMLInputElement.prototype, "value", text, input);
    input.dispatchEvent(new Event("input", { bubbles: true }));
    document.querySelector("form")?.requestSubmit();
    await until(() => input.value === "");
  }
}
