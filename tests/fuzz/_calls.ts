/**
 * Calls of a client, what each sends, and what its result may be.
 *
 * @module
 */
import {
  type Client,
  type CommandOptions,
  jsonSerde,
  rawSerde,
  type Serde,
} from "@x/memcache";
import type { Random } from "../wire/_random.ts";
import { bytesOf, type Command, latin1 } from "./_commands.ts";
import type { Found, Meaning } from "./_reference.ts";
import { META_MAKERS } from "./_meta_calls.ts";
import { makeValue } from "./_world.ts";

/** How values are stored and told. */
export interface Form {
  /** The serde of the client. */
  readonly serde: Serde;
  /** The flags that it stores with. */
  readonly flags: string;
  /** Whether values are text of ASCII. */
  readonly ascii: boolean;
  /** What is given to a store for these bytes. */
  give(data: string): unknown;
  /** What an item of a reply is read as; `undefined`: not for us to say. */
  read(item: Found): string | undefined;
  /** What a client gave, as `read` would say it. */
  tell(value: unknown): string;
}

/** Every {@linkcode Form}. */
export const FORMS: Readonly<Record<string, Form>> = {
  text: {
    serde: jsonSerde,
    flags: "16",
    ascii: true,
    give: (data) => data,
    read: ({ data, flags }) =>
      flags === 16
        ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(
          bytesOf(data),
        )
        : undefined,
    tell: (value) => String(value),
  },
  bytes: {
    serde: rawSerde,
    flags: "0",
    ascii: false,
    give: (data) => bytesOf(data),
    read: ({ data }) => data,
    tell: (value) =>
      value instanceof Uint8Array ? latin1(value) : `no bytes: ${value}`,
  },
  own: {
    serde: {
      serialize: (_key, value) => ({ data: bytesOf(String(value)), flags: 7 }),
      deserialize: (_key, data, flags) => `${flags} ${latin1(data)}`,
    },
    flags: "7",
    ascii: false,
    give: (data) => data,
    read: ({ data, flags }) => `${flags} ${data}`,
    tell: (value) => String(value),
  },
};

/** What one command of a call was answered, and which command that was. */
export interface Answer {
  /** The command. */
  readonly command: Command;
  /** What its reply means; `undefined`: it has none. */
  readonly meaning: Meaning | undefined;
}

/** One call. */
export interface Call {
  /** Its name and arguments, for who reads a report. */
  readonly name: string;
  /** The commands that it sends, by `signaturesOf`. */
  readonly signatures: readonly string[];
  /** Whether no reply is asked for. */
  readonly noreply: boolean;
  /** Makes the call. */
  start(client: Client, options: CommandOptions): Promise<unknown>;
  /**
   * Says what is wrong with its result.
   *
   * @param value What it resolved to.
   * @param answers For each signature, the answers that may be its own.
   * @param strict Whether an error must not have become a miss.
   * @returns A fault, or `undefined`.
   */
  judge(
    value: unknown,
    answers: ReadonlyArray<readonly Answer[]>,
    strict: boolean,
  ): string | undefined;
  /** The items in its result. */
  items(value: unknown): Array<readonly [key: string, value: unknown]>;
}

/** What calls are made of. */
export interface Supply {
  /** Chance. */
  readonly random: Random;
  /** How values are stored. */
  readonly form: Form;
  /** Keys, stored or not. */
  readonly keys: readonly string[];
  /** The number of the next version of a value. */
  version: number;
}

/** Makes a call. */
export type Maker = (supply: Supply) => Call;

/** Whether an answer has a value of a key. */
export function readable(
  { form }: Supply,
  key: string,
  value: unknown,
  { meaning }: Answer,
): boolean {
  return (meaning?.found ?? []).some((item) => {
    if (item.key !== key) return false;
    const read = form.read(item);
    return read === undefined || read === form.tell(value);
  });
}

/** Whether an answer says that there is none. */
export function missing(key: string, { command, meaning }: Answer): boolean {
  if (meaning?.whole !== true || meaning.error === true) return false;
  const asked = command.keys.filter((other) => other === key).length;
  const found = (meaning.found ?? []).filter((item) => item.key === key).length;
  return found < asked;
}

function fetch(
  supply: Supply,
  method: "get" | "gets" | "getItem" | "gat" | "gats" | "has",
): Call {
  const key = supply.random.pick(supply.keys);
  const wire = { getItem: "gets", has: "get" }[method as "has"] ?? method;
  const touches = method === "gat" || method === "gats";
  const versioned = method === "gets" || method === "gats" ||
    method === "getItem";
  return {
    name: `${method} ${key}`,
    signatures: [`${wire} ${key}`],
    noreply: false,
    start: (client, options) =>
      touches
        ? client[method](key, 60, options)
        : client[method as "get"](key, options),
    items: (value) =>
      value === undefined || method === "has"
        ? []
        : [[key, versioned ? (value as { value: unknown }).value : value]],
    judge: (result, [answers], strict) => {
      if (result === undefined || result === false) {
        return !strict || answers.some((answer) => missing(key, answer))
          ? undefined
          : "a miss";
      }
      const fine = answers.some((answer) => {
        if (method === "has") {
          return result === true &&
            answer.meaning?.found?.some((item) => item.key === key);
        }
        if (!versioned) return readable(supply, key, result, answer);
        const { value, cas, flags } = result as Record<string, unknown>;
        return answer.meaning?.found?.some((item) =>
          item.key === key && item.cas === cas &&
          (method !== "getItem" || item.flags === flags)
        ) && readable(supply, key, value, answer);
      });
      return fine ? undefined : "a value";
    },
  };
}

function fetchMany(supply: Supply, method: "getMany" | "getsMany"): Call {
  const { random, keys } = supply;
  const wanted = new Set<string>();
  for (let n = random.below(6); n >= 0; n--) wanted.add(random.pick(keys));
  const wire = method === "getMany" ? "get" : "gets";
  const all = [...wanted];
  type Hits = Map<string, unknown>;
  const inner = (value: unknown): unknown =>
    method === "getMany" ? value : (value as { value: unknown }).value;
  return {
    name: `${method} ${all.join(" ")}`,
    signatures: all.map((key) => `${wire} ${key}`),
    noreply: false,
    start: (client, options) => client[method](all, options),
    items: (hits) =>
      [...hits as Hits].map(([key, value]) => [key, inner(value)] as const),
    judge: (hits, answers, strict) => {
      const left = new Map(hits as Hits);
      for (const [i, key] of all.entries()) {
        if (!left.has(key)) {
          if (!strict || answers[i].some((answer) => missing(key, answer))) {
            continue;
          }
          return `a miss of ${key}`;
        }
        const value = inner(left.get(key));
        if (!answers[i].some((one) => readable(supply, key, value, one))) {
          return `a value of ${key}`;
        }
        left.delete(key);
      }
      return left.size === 0 ? undefined : "a key that nobody asked for";
    },
  };
}

type Store = "set" | "add" | "replace" | "append" | "prepend" | "cas";

const SAYS: ReadonlyMap<unknown, readonly string[]> = new Map<
  unknown,
  readonly string[]
>([
  [true, ["STORED", "DELETED", "TOUCHED", "OK"]],
  [false, ["NOT_STORED", "EXISTS", "NOT_FOUND"]],
  [undefined, ["NOT_FOUND"]],
]);

function said(answers: readonly Answer[], words: readonly string[]): boolean {
  return answers.some(({ meaning }) =>
    meaning?.error !== true && words.includes(meaning?.word ?? "")
  );
}

/** A call whose result is one word of the server's. */
function word(
  name: string,
  signature: string,
  start: Call["start"],
  noreply = false,
): Call {
  return {
    name: noreply ? `${name} noreply` : name,
    signatures: [signature],
    noreply,
    start,
    items: () => [],
    judge: (result, [answers]) => {
      if (noreply) return undefined;
      // A cas has two ways to fail.
      const words = name.startsWith("cas") && result === false
        ? ["EXISTS"]
        : SAYS.get(result) ?? [];
      return said(answers, words) ? undefined : `the answer ${result}`;
    },
  };
}

function store(supply: Supply, method: Store): Call {
  const { random, form } = supply;
  const key = random.pick(supply.keys);
  const data = makeValue(key, supply.version++, random, form.ascii);
  const value = form.give(data);
  const noreply = method !== "cas" && random.oneIn(8);
  const cas = 1 + random.below(12);
  return word(
    `${method} ${key}`,
    `${method} ${key} ${data}`,
    (client, options) =>
      method === "cas"
        ? client.cas(key, value, cas, options)
        : client[method](key, value, { ...options, noreply }),
    noreply,
  );
}

function count(supply: Supply, method: "incr" | "decr"): Call {
  const { random } = supply;
  const key = random.pick([...supply.keys.slice(0, 2), "n1", "n2", "n3"]);
  const delta = 1 + random.below(30);
  const initial = random.oneIn(3) ? 1000 + random.below(9000) : undefined;
  const signatures = [`${method} ${key} ${delta}`];
  if (initial !== undefined) signatures.push(`add ${key} ${initial}`);
  return {
    name: `${method} ${key} ${delta} ${initial ?? ""}`,
    signatures,
    noreply: false,
    start: (client, options) =>
      client[method](key, delta, { ...options, initial }),
    items: () => [],
    judge: (result, [counts, adds = []]) => {
      if (result === undefined && initial === undefined) {
        return said(counts, ["NOT_FOUND"]) ? undefined : "a miss";
      }
      if (result === initial && said(adds, ["STORED"])) return undefined;
      const numbers = counts.map(({ meaning }) => meaning?.word ?? "");
      return numbers.some((digits) =>
          /^\d+$/.test(digits) && Number(digits) === result
        )
        ? undefined
        : `the number ${result}`;
    },
  };
}

function setMany(supply: Supply): Call {
  const { random, form } = supply;
  const entries = new Map<string, string>();
  for (let n = random.below(4); n >= 0; n--) {
    const key = random.pick(supply.keys);
    entries.set(key, makeValue(key, supply.version++, random, form.ascii));
  }
  const all = [...entries];
  return {
    name: `setMany ${all.map(([key]) => key).join(" ")}`,
    signatures: all.map(([key, data]) => `set ${key} ${data}`),
    noreply: false,
    start: (client, options) =>
      client.setMany(
        all.map(([key, data]) => [key, form.give(data)] as const),
        options,
      ),
    items: () => [],
    judge: (refused, answers) => {
      for (const [i, [key]] of all.entries()) {
        const not = (refused as string[]).includes(key);
        const fine = not
          ? answers[i].some(({ meaning }) =>
            meaning?.word === "NOT_STORED" || meaning?.error === true
          )
          : said(answers[i], ["STORED"]);
        if (!fine) return `${key} ${not ? "refused" : "stored"}`;
      }
      return undefined;
    },
  };
}

function deleteMany(supply: Supply): Call {
  const { random } = supply;
  const keys = [...new Set([1, 2, 3].map(() => random.pick(supply.keys)))];
  return {
    name: `deleteMany ${keys.join(" ")}`,
    signatures: keys.map((key) => `delete ${key}`),
    noreply: false,
    start: (client, options) => client.deleteMany(keys, options),
    items: () => [],
    judge: (_, answers) =>
      answers.every((one) => said(one, ["DELETED", "NOT_FOUND"]))
        ? undefined
        : "true",
  };
}

function stats(result: unknown, [answers]: ReadonlyArray<readonly Answer[]>) {
  const names = Object.keys(result as object).sort().join();
  const fine = answers.some(({ meaning }) => {
    if (meaning?.lines === undefined) return false;
    const text = meaning.lines.join("\n");
    // What is no UTF-8, or the name of a prototype, is not compared.
    if (/[\x80-\xff]|__proto__/.test(text)) return true;
    const told = meaning.lines.map((line) => line.split(" ")[1]);
    return [...new Set(told)].sort().join() === names;
  });
  return fine ? undefined : `the statistics ${names}`;
}

function plain(
  name: string,
  signature: string,
  start: Call["start"],
  judge: Call["judge"],
): Maker {
  return () => ({
    name,
    signatures: [signature],
    noreply: false,
    start,
    items: () => [],
    judge,
  });
}

/** How raw replies end, by their lines. */
export const TOKENS: ReadonlyMap<string, string> = new Map([
  ["stats raw", "END\r\n"],
  ["stats line", "\r\n"],
]);

function raw(line: string): Maker {
  const endToken = TOKENS.get(line);
  return plain(
    `raw ${line}`,
    line,
    (client, options) => client.rawCommand(line, { ...options, endToken }),
    (result, [answers]) => {
      const text = latin1(result as Uint8Array);
      return answers.some(({ meaning }) =>
          meaning?.word === text && !meaning.error
        )
        ? undefined
        : `the text ${JSON.stringify(text)}`;
    },
  );
}

/** What a case calls, some of it more often than other things. */
const MAKERS: readonly Maker[] = [
  ...META_MAKERS,
  ...Array<Maker>(6).fill((supply) => fetch(supply, "get")),
  (supply) => fetch(supply, "gets"),
  (supply) => fetch(supply, "getItem"),
  (supply) => fetch(supply, "gat"),
  (supply) => fetch(supply, "gats"),
  (supply) => fetch(supply, "has"),
  ...Array<Maker>(3).fill((supply) => fetchMany(supply, "getMany")),
  (supply) => fetchMany(supply, "getsMany"),
  ...(["set", "add", "replace", "append", "prepend", "cas"] as const)
    .map((method): Maker => (supply) => store(supply, method)),
  (supply) => store(supply, "set"),
  (supply) => {
    const key = supply.random.pick(supply.keys);
    const noreply = supply.random.oneIn(8);
    return word(
      `delete ${key}`,
      `delete ${key}`,
      (client, options) => client.delete(key, { ...options, noreply }),
      noreply,
    );
  },
  (supply) => {
    const key = supply.random.pick(supply.keys);
    return word(
      `touch ${key}`,
      `touch ${key} 60`,
      (client, options) => client.touch(key, 60, options),
    );
  },
  (supply) => count(supply, supply.random.pick(["incr", "decr"])),
  setMany,
  deleteMany,
  // Not version(): the client asks that itself, which the judge could not tell
  // from a call.
  plain("stats", "stats", (client) => client.stats(), stats),
  raw("stats raw"),
  raw("stats line"),
  () =>
    word(
      "verbosity",
      "verbosity 1",
      (client, options) => client.verbosity(1, options),
    ),
];

/** Makes a call by chance. */
export function makeCall(supply: Supply): Call {
  return supply.random.pick(MAKERS)(supply);
}

/** Makes a call of one method by chance. */
export function makeGet(supply: Supply): Call {
  return fetch(supply, "get");
}
