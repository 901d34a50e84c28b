import { assert, assertEquals, assertThrows } from "@std/assert";
import { MemcacheIllegalInputError } from "../../src/errors.ts";
import { Decoder } from "../../src/wire/decoder.ts";
import {
  keyFault,
  type KeyRules,
  MAX_KEY_BYTES,
  sameKey,
  wireKey,
} from "../../src/wire/key.ts";
import * as kinds from "../../src/wire/reply.ts";
import { test } from "../_runtime.ts";
import { bytes, readVectors } from "../_vectors.ts";
import { latin1 } from "./_decode.ts";

const utf8 = new TextEncoder();
const RULES: KeyRules = {
  keyPrefix: "",
  allowUnicodeKeys: false,
  keyEncoder: undefined,
};
const EMPTY = "it is empty, at least 1 byte is needed";
const SURROGATE = "it has a lone surrogate, which UTF-8 cannot carry";

/** Keys that need no leave, all of one length in units and bytes. */
const PLAIN: readonly string[] = [
  ...["k", "!", "~", '"quoted"', "a:b:c", "{tag}rest", "\\r\\n", "%20", "*"],
  ...["get", "noreply", "0", "-1", "k".repeat(MAX_KEY_BYTES)],
];

/** Keys that may be sent where text outside of ASCII may. */
const WIDE: readonly string[] = [
  ...[
    "é",
    "ключ",
    "日本",
    "😀",
    "\x80",
    "\u0085",
    "\u00a0",
    "\u3000",
    "\ufffd",
  ],
  ...["\ufeffk", "e\u0301", "é".repeat(125), "日".repeat(83), "😀".repeat(62)],
];

/** Keys that are never sent, and why. */
const BAD: ReadonlyArray<readonly [key: string, fault: string]> = [
  ["", EMPTY],
  [" ", "unit 0 is a blank, none is allowed"],
  ["k b", "unit 1 is a blank, none is allowed"],
  ["k ", "unit 1 is a blank, none is allowed"],
  ["k\r\n", "unit 1 is the control character 0x0d, none is allowed"],
  ["k\n", "unit 1 is the control character 0x0a, none is allowed"],
  ["\tk", "unit 0 is the control character 0x09, none is allowed"],
  ["k\0", "unit 1 is the control character 0x00, none is allowed"],
  ["k\x1f", "unit 1 is the control character 0x1f, none is allowed"],
  ["k\x7f", "unit 1 is the control character 0x7f, none is allowed"],
  ["k".repeat(251), "251 bytes, at most 250 are allowed"],
  ["k".repeat(100_000), "100000 bytes, at most 250 are allowed"],
];

/** The same, where text outside of ASCII may be sent. */
const BAD_WIDE: ReadonlyArray<readonly [key: string, fault: string]> = [
  ["é".repeat(126), "252 bytes, at most 250 are allowed"],
  ["日".repeat(84), "252 bytes, at most 250 are allowed"],
  ["😀".repeat(63), "252 bytes, at most 250 are allowed"],
  [`${"é".repeat(125)}k`, "251 bytes, at most 250 are allowed"],
  ["é ", "unit 1 is a blank, none is allowed"],
  ["\ud800", SURROGATE],
  ["\udc00", SURROGATE],
  ["k\ud83d", SURROGATE],
  ["\ude00\ud83d", SURROGATE],
  ["\ud83d\ud83d\ude00", SURROGATE],
  ["\ud83dk", SURROGATE],
];

test("keyFault() accepts what a command line can carry", () => {
  for (const key of PLAIN) {
    assertEquals(keyFault(key, false), undefined, key);
    assertEquals(keyFault(key, true), undefined, key);
  }
  for (const key of WIDE) {
    assertEquals(keyFault(key, true), undefined, key);
    const unit = [...key].findIndex((character) => character > "\x7f");
    assertEquals(
      keyFault(key, false),
      `unit ${unit} is no ASCII, which needs allowUnicodeKeys or a keyEncoder`,
    );
  }
});

test("keyFault() says what is wrong with a key", () => {
  for (const [key, fault] of BAD) {
    assertEquals(keyFault(key, false), fault);
    assertEquals(keyFault(key, true), fault);
  }
  for (const [key, fault] of BAD_WIDE) {
    assertEquals(keyFault(key, true), fault);
  }
});

test("keyFault() judges every unit of 16 bits by itself", () => {
  for (let unit = 0; unit <= 0xffff; unit++) {
    const key = String.fromCharCode(unit);
    const ascii = unit > 0x20 && unit < 0x7f;
    const surrogate = unit >= 0xd800 && unit <= 0xdfff;
    assert((keyFault(key, false) === undefined) === ascii, `unit ${unit}`);
    const wide = ascii || unit > 0x7f && !surrogate;
    assert((keyFault(key, true) === undefined) === wide, `unit ${unit}`);
  }
});

test("wireKey() puts the prefix before the key and counts both", () => {
  const rules = { ...RULES, keyPrefix: "app:" };
  assertEquals(wireKey("k", rules, "get"), "app:k");
  assertEquals(wireKey("", rules, "get"), "app:");
  assertEquals(wireKey("k".repeat(246), rules, "get").length, 250);
  refused("k".repeat(247), rules, "251 bytes, at most 250 are allowed");
  refused("k b", rules, "unit 5 is a blank, none is allowed");
  const wide = { ...rules, keyPrefix: "é", allowUnicodeKeys: true };
  assertEquals(wireKey("k".repeat(248), wide, "get"), `é${"k".repeat(248)}`);
  refused("k".repeat(249), wide, "251 bytes, at most 250 are allowed");
  // A pair that the border between both cuts in two is a character again.
  const cut = { ...RULES, keyPrefix: "\ud83d", allowUnicodeKeys: true };
  assertEquals(wireKey("\ude00", cut, "get"), "😀");
});

test("wireKey() encodes illegal keys alone, and checks what comes of it", () => {
  const asked: string[] = [];
  const rules = {
    keyPrefix: "p:",
    allowUnicodeKeys: false,
    keyEncoder: (key: string) => (asked.push(key), `<${key.length}>`),
  };
  assertEquals(wireKey("good", rules, "get"), "p:good");
  assertEquals(wireKey("not good", rules, "get"), "p:<8>");
  assertEquals(wireKey("é", rules, "get"), "p:<1>");
  assertEquals(
    wireKey("é", { ...rules, allowUnicodeKeys: true }, "get"),
    "p:é",
  );
  assertEquals(wireKey("k".repeat(249), rules, "get"), "p:<249>");
  assertEquals(asked, ["not good", "é", "k".repeat(249)]);
  const gives = (value: unknown): KeyRules => ({
    ...RULES,
    // What is tested is an encoder that does not keep to its type.
    keyEncoder: () => value as string,
  });
  assertEquals(wireKey("é", gives("e"), "get"), "e");
  refused("é", gives("e f"), "unit 1 is a blank, none is allowed");
  refused("é", gives(""), EMPTY);
  refused("é", gives(7), "the keyEncoder gave a number, a string is needed");
  refused(
    "é",
    gives(undefined),
    "the keyEncoder gave undefined, a string is needed",
  );
  refused("é", gives(null), "the keyEncoder gave null, a string is needed");
});

test("wireKey() refuses what is no text", () => {
  const things: ReadonlyArray<readonly [thing: unknown, told: string]> = [
    [5, "a number"],
    [5n, "a bigint"],
    [true, "a boolean"],
    [undefined, "undefined"],
    [null, "null"],
    [Symbol("k"), "a symbol"],
    [() => "k", "a function"],
    [{ toString: () => "k" }, "an object"],
    [["k"], "an object"],
    [new String("k"), "an object"],
    [utf8.encode("k"), "an object"],
  ];
  const rules = { ...RULES, keyEncoder: () => "never asked" };
  for (const [thing, told] of things) {
    refused(thing, rules, `it is ${told}, a string is needed`);
  }
});

/** Expects that a key is refused, and that its error tells it in a field only. */
function refused(key: unknown, rules: KeyRules, fault: string): void {
  const error = assertThrows(
    () => wireKey(key, rules, "touch"),
    MemcacheIllegalInputError,
  );
  assertEquals(error.message, `Cannot send key: ${fault}`);
  assertEquals(
    [error.command, error.key, error.sent, error.code],
    [
      "touch",
      typeof key === "string" ? key : undefined,
      false,
      "ERR_ILLEGAL_INPUT",
    ],
  );
}

test("sameKey() compares with a key's UTF-8, byte by byte", () => {
  const keys = [...PLAIN, ...WIDE, "kk", "k0", "é", "éé", "\ufffdk"];
  const line = new Uint8Array(600).fill(107);
  for (const a of keys) {
    const encoded = utf8.encode(a);
    line.set(encoded, 7);
    for (const b of keys) {
      const same = sameKey(line, 7, 7 + encoded.length, b);
      assertEquals(same, a === b, `${a} and ${b}`);
    }
    line.fill(107);
  }
  // Bytes that are no UTF-8 are nobody's key, not even that of U+FFFD.
  for (const broken of ["\xff", "\xc3", "\xe9k", "\xed\xa0\x80", "\xf0\x9f"]) {
    const received = bytes(broken);
    const text = new TextDecoder().decode(received);
    assertEquals(sameKey(received, 0, received.length, text), false, text);
    assertEquals(sameKey(received, 0, received.length, broken), false);
  }
});

/** A key as recorded: the tags that matter here. */
interface Tagged {
  t: string;
  v: string;
  rep?: string;
  n?: number;
}

interface Recorded {
  sent?: string;
  raises?: string;
}

interface Validity {
  cases: Array<{ key: Tagged } & Record<string, Record<string, Recorded>>>;
  prefixes: Array<{
    key: Tagged;
    options: {
      key_prefix: Tagged;
      allow_unicode_keys: "either" | { v: boolean };
    };
    constructor?: unknown;
    get?: Recorded;
    set?: Recorded;
  }>;
}

/**
 * Where we differ from pymemcache on purpose: why, and in how many of the
 * recorded calls.
 */
const DIFFERENCES: ReadonlyArray<
  readonly [
    reason: string,
    calls: number,
    applies: (key: Tagged, full: string, theirs: Recorded) => boolean,
  ]
> = [
  [
    "keys are text, bytes have the meta commands",
    68,
    ({ t }) => t === "bytes" || t === "bytearray",
  ],
  [
    "TypeError is not ours: what is no text is illegal input",
    48,
    ({ t }) => t !== "str",
  ],
  [
    "UnicodeEncodeError is not ours: a lone surrogate is illegal input",
    12,
    (_, __, { raises }) => raises === "UnicodeEncodeError",
  ],
  [
    "an empty key would be answered by ERROR, or by two lines",
    4,
    (_, full, { sent }) => sent !== undefined && full === "",
  ],
  [
    "a key of nothing but blanks would change or add commands",
    40,
    (_, full, { sent }) => sent !== undefined && /^[\t-\r ]+$/.test(full),
  ],
  [
    "control characters are no part of a key (protocol.txt, Keys)",
    168,
    (_, full, { sent }) =>
      // deno-lint-ignore no-control-regex -- they are what this is about.
      sent !== undefined && /[\x01-\x1f\x7f]/.test(full),
  ],
];

/** pymemcache's options by the names of the recording. */
const OPTIONS: ReadonlyArray<readonly [name: string, rules: KeyRules]> = [
  ["default", RULES],
  ["allow_unicode_keys", { ...RULES, allowUnicodeKeys: true }],
  ["key_prefix", { ...RULES, keyPrefix: "pfx:" }],
  ["allow_unicode_keys+key_prefix", {
    ...RULES,
    ...{ allowUnicodeKeys: true, keyPrefix: "pfx:" },
  }],
];

test("wireKey() sends and refuses the keys that pymemcache does", () => {
  const { cases, prefixes } = readVectors<Validity>("key_validity.json");
  const calls: Array<[key: Tagged, rules: KeyRules, theirs: Recorded]> = [];
  for (const entry of cases) {
    for (const [name, rules] of OPTIONS) {
      const recorded: unknown = entry[`pymemcache ${name}`];
      const theirs = recorded === "as default"
        ? entry["pymemcache default"]
        : entry[`pymemcache ${name}`];
      calls.push([entry.key, rules, theirs.get], [
        entry.key,
        rules,
        theirs.set,
      ]);
    }
  }
  // A prefix outside of ASCII, which pymemcache's constructor refuses, is one
  // of ours with allowUnicodeKeys: nothing was recorded to compare it with.
  const accepted = prefixes.filter(({ get }) => get !== undefined);
  assertEquals([cases.length, prefixes.length, accepted.length], [112, 61, 45]);
  for (const { key, options, get = {}, set = {} } of accepted) {
    const { key_prefix, allow_unicode_keys: allow } = options;
    for (const wide of allow === "either" ? [false, true] : [allow.v]) {
      const rules = { ...RULES, keyPrefix: text(key_prefix) };
      rules.allowUnicodeKeys = wide;
      calls.push([key, rules, get], [key, rules, set]);
    }
  }
  const counts = DIFFERENCES.map(() => 0);
  let same = 0;
  for (const [key, rules, theirs] of calls) {
    const ours = sentBy(key, rules);
    if (
      theirs.sent === undefined
        ? ours === theirs.raises
        : theirs.sent === `get ${ours}\r\n` ||
          theirs.sent === `set ${ours} 0 0 1 noreply\r\nv\r\n`
    ) {
      same++;
      continue;
    }
    const full = rules.keyPrefix + text(key);
    const found = DIFFERENCES.findIndex(([, , applies]) =>
      applies(key, full, theirs)
    );
    assert(found >= 0, `${JSON.stringify(key)}: ${ours}, not ${theirs.sent}`);
    assertEquals(ours, "MemcacheIllegalInputError", "we only refuse more");
    counts[found]++;
  }
  assertEquals(counts, DIFFERENCES.map(([, count]) => count));
  assertEquals(same, 716);
});

/** The text of a recorded key. */
function text({ v, rep, n }: Tagged): string {
  return rep === undefined ? v : rep.repeat(n ?? 0);
}

/** The bytes of the key that we send, or the class of the error. */
function sentBy(key: Tagged, rules: KeyRules): string {
  try {
    const given = key.t === "str"
      ? text(key)
      : key.t === "bytes" || key.t === "bytearray"
      ? bytes(text(key))
      : key.t === "float"
      ? Number(key.v)
      : key.t === "none"
      ? null
      : key.t === "int"
      ? parseInt(key.v)
      : key.v;
    return latin1(utf8.encode(wireKey(given, rules, "get")));
  } catch (error) {
    assert(error instanceof MemcacheIllegalInputError);
    return error.name;
  }
}

interface Answers {
  cases: Array<
    { key: string } & Record<"get" | "set" | "mg" | "ms", { reply: string }>
  >;
}

test("wireKey() lets through only keys that keep memcached in step", () => {
  const { cases } = readVectors<Answers>("key_server.json");
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const rules = { ...RULES, allowUnicodeKeys: true };
  let passed = 0;
  let outOfStep = 0;
  for (const { key, get, set, mg, ms } of cases) {
    let sent: string | undefined;
    try {
      sent = wireKey(decoder.decode(bytes(key)), rules, "get");
    } catch {
      // No UTF-8, or refused: in both cases it cannot be sent.
    }
    const inStep = replies(get.reply) === "END MN" &&
      replies(set.reply) === "STORED MN" &&
      replies(mg.reply) === "EN MN" && replies(ms.reply) === "HD MN";
    if (sent !== undefined) {
      passed++;
      assert(inStep, JSON.stringify(key));
    }
    if (!inStep) outOfStep++;
  }
  assertEquals([cases.length, passed, outOfStep], [102, 38, 25]);
});

/** The names of all replies in a stream. */
function replies(stream: string): string {
  const names = Object.entries(kinds).filter(([, kind]) =>
    typeof kind === "number"
  );
  const decoder = new Decoder(100);
  decoder.feed(bytes(stream));
  const found: Array<string | undefined> = [];
  for (let kind = decoder.next(); kind !== kinds.MORE; kind = decoder.next()) {
    found.push(names.find(([, number]) => number === kind)?.[0]);
    if (kind === kinds.INVALID) break;
  }
  return found.join(" ");
}
