/**
 * The namespace of a client, as its users see it.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../../errors.ts";
import type { CommandOptions, Key } from "../../types.ts";
import { keyFault, MAX_KEY_BYTES } from "../../wire/key.ts";
import { describe } from "../../wire/numbers.ts";
import { encodeText } from "../../wire/output.ts";
import { itemKey, routeOf } from "../arguments.ts";
import type { KeyCommands, Namespace } from "../commands.ts";
import { observe } from "../context.ts";
import { closedError } from "../../connection/failures.ts";
import { explainKey, type Explanation } from "../explaining.ts";
import type { Feed } from "../feed.ts";
import { Later } from "../feed_sources.ts";
import type { KeyEntry, KeysOptions } from "../listing_commands.ts";
import type { MetaCommands } from "../meta_commands.ts";
import { type ClientMetrics, readMetrics } from "../metrics.ts";
import { SourceFeed } from "../source_feed.ts";
import type { Apply } from "./calls.ts";
import { COMMAND_RULES, META_RULES, type Rule } from "./rules.ts";
import { VERSION_LENGTH } from "./version.ts";
import { VersionKey } from "./version_key.ts";
import { type Level, type Origin, View } from "./view.ts";

/** Behind the prefix: the key of the version. No item has such a key. */
const VERSION_KEY = "@version";

/** What a version takes of each key, with the colon behind it. */
const VERSION_BYTES = VERSION_LENGTH + 1;

/** Where `keys` has its options. */
const KEYS_RULE: Rule = { options: 0 };

/** Methods by name, as the table of rules has them. */
type Methods = Readonly<
  Record<string, (...args: readonly unknown[]) => Promise<unknown>>
>;

/** What is a namespace's own; its commands are added below, from the rules. */
class NamespaceClient {
  readonly #origin: Origin<KeyCommands>;
  readonly #view: View<KeyCommands>;
  readonly #meta: MetaCommands;

  constructor(origin: Origin<KeyCommands>, levels: readonly Level[]) {
    this.#origin = origin;
    this.#view = new View(origin, levels);
    this.#meta = metaOf(this.#view, origin);
  }

  get prefix(): string {
    return this.#view.levels.map(({ prefix }) => prefix).join("");
  }

  get meta(): MetaCommands {
    return this.#meta;
  }

  keys(options?: KeysOptions): Feed<KeyEntry> {
    const { context, executor } = this.#origin;
    // A read, whatever it finds, makes sure of the version.
    const list: Apply<KeyCommands> = async (inner) => {
      await inner.has(VERSION_KEY, options);
      return inner.keys(options);
    };
    const find = () => this.#view.run("keys", KEYS_RULE, [options], list);
    return new SourceFeed({
      // What fails is shown already.
      context: { ...context, onError: undefined },
      executor,
      command: "lru_crawler",
      options,
      source: () => new Later(find as () => Promise<Feed<KeyEntry>>),
    });
  }

  async invalidateAll(options?: CommandOptions): Promise<void> {
    const { isClosed, levels } = this.#view;
    try {
      if (isClosed) throw closedError();
      await levels[levels.length - 1].key.renew(options);
    } catch (error) {
      observe(this.#origin.context, error);
      throw error;
    }
  }

  metrics(): ClientMetrics {
    return readMetrics(this.#origin.executor);
  }

  explain(key: Key): Explanation {
    const { context, executor } = this.#origin;
    const { prefix } = this;
    // The client's own prefix, and not that of the namespace: it has a version.
    const { wireKey: _, ...rest } = explainKey(context, executor, [
      prefix + routeOf(key),
      itemKey(key),
    ]);
    return { ...rest, routingKey: routeOf(key) };
  }

  namespace(prefix: string): Namespace {
    return makeNamespace(this.#origin, prefix, this.#view.levels);
  }

  async flush(options?: CommandOptions): Promise<void> {
    const { context, executor, make } = this.#origin;
    await this.#view.sent(options);
    // It is about connections, which have no version.
    await make(context, executor).flush(options);
  }

  disconnect(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#view.isClosed = true;
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  static {
    for (const [name, rule] of Object.entries(COMMAND_RULES)) {
      const apply = applyOf<KeyCommands>(name, (inner) => inner);
      const value = function (
        this: NamespaceClient,
        ...args: unknown[]
      ): Promise<unknown> {
        return this.#view.run(name, rule, args, apply);
      };
      // As quiet as a method of a class when a namespace is printed.
      Object.defineProperty(NamespaceClient.prototype, name, {
        value: Object.defineProperty(value, "name", { value: name }),
        configurable: true,
        writable: true,
      });
    }
  }
}

/** A call of a method by its name. */
function applyOf<C>(name: string, methodsOf: (inner: C) => unknown): Apply<C> {
  return (inner, args) => {
    // The names come from tables that are checked against the types.
    const methods = methodsOf(inner) as Methods;
    return methods[name](...args);
  };
}

/** The meta commands of a namespace. */
function metaOf(
  view: View<KeyCommands>,
  { context, executor, make }: Origin<KeyCommands>,
): MetaCommands {
  const methods: Record<string, unknown> = {
    // It is about servers, which have no version.
    noop: (options?: CommandOptions) =>
      make(context, executor).meta.noop(options),
  };
  const define = (name: string, rule: Rule): void => {
    const apply = applyOf<KeyCommands>(name, ({ meta }) => meta);
    methods[name] = (...args: unknown[]) => view.run(name, rule, args, apply);
  };
  for (const [name, rule] of Object.entries(META_RULES)) define(name, rule);
  // All of its methods have rules, but for the one above.
  return Object.freeze(methods) as unknown as MetaCommands;
}

/** Checks a prefix, and makes the namespace. */
export function makeNamespace(
  origin: Origin<KeyCommands>,
  prefix: string,
  outer: readonly Level[] = [],
): Namespace {
  const { context, executor } = origin;
  const before = outer.map(({ prefix }) => prefix).join("");
  checkPrefix(prefix, context.allowUnicodeKeys);
  const taken = encodeText(context.keyPrefix + before).length +
    VERSION_BYTES * (outer.length + 1);
  const room = MAX_KEY_BYTES - 1 - taken;
  const { length } = encodeText(prefix);
  if (length > room) {
    refuse(`${length} bytes, at most ${Math.max(0, room)} are allowed`);
  }
  // Apart from the namespaces of the client that begin with the same text.
  const own = outer.length === 0 ? prefix : `@${prefix}`;
  const name = before + own + VERSION_KEY;
  const key = new VersionKey(context, executor, name);
  const namespace = new NamespaceClient(origin, [...outer, { prefix, key }]);
  // Its commands are there: the table of rules is checked against the types.
  return namespace as unknown as Namespace;
}

function checkPrefix(prefix: unknown, unicode: boolean): void {
  if (typeof prefix !== "string") {
    return refuse(`it is ${describe(prefix)}, a string is needed`);
  }
  const fault = keyFault(prefix, unicode);
  if (fault !== undefined) refuse(fault);
}

function refuse(why: string): never {
  throw new MemcacheIllegalInputError(
    `Cannot use prefix of namespace: ${why}`,
    { sent: false },
  );
}
