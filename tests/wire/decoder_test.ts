import { assert, assertEquals } from "@std/assert";
import { Decoder } from "../../src/wire/decoder.ts";
import * as kinds from "../../src/wire/reply.ts";
import { test } from "../_runtime.ts";
import { bytes, readVectors } from "../_vectors.ts";
import {
  BYTES,
  cutAt,
  decode,
  latin1,
  randomCuts,
  type Reading,
  rebuild,
  type Reply,
  WHOLE,
} from "./_decode.ts";
import { Random } from "./_random.ts";

const { EN, END, EX, HD, INVALID, LINE, ME, MN, MORE, NF, NS, VA, VALUE } =
  kinds;
const MAX64 = 2n ** 64n - 1n;
const LONG = "v".repeat(9000);
const EVERY_BYTE = String.fromCharCode(...Array(256).keys());
const BAD_FLAGS = "meta flags that cannot be read";
const NO_CRLF = "a line that does not end with CRLF";
const TOO_LONG = "a value longer than its header says";

/** Lines of one word or text, and what they are. */
const LINES: ReadonlyArray<readonly [line: string, kind: number]> = [
  ["STORED", kinds.STORED],
  ["NOT_STORED", kinds.NOT_STORED],
  ["EXISTS", kinds.EXISTS],
  ["NOT_FOUND", kinds.NOT_FOUND],
  ["DELETED", kinds.DELETED],
  ["TOUCHED", kinds.TOUCHED],
  ["OK", kinds.OK],
  ["RESET", kinds.RESET],
  ["END", END],
  ["0", kinds.NUMBER],
  ["42", kinds.NUMBER],
  ["99 ", kinds.NUMBER],
  ["1                   ", kinds.NUMBER],
  ["18446744073709551615", kinds.NUMBER],
  ["18446744073709551615  ", kinds.NUMBER],
  ["VERSION 1.6.18", kinds.VERSION],
  ["STAT pid 123", kinds.STAT],
  ["STAT version a b c", kinds.STAT],
  ["ERROR", kinds.ERROR],
  ["ERROR Too many open connections", kinds.ERROR],
  ["ERROR: shutdown not enabled", kinds.ERROR],
  ["ERROR failed to start lru crawler thread", kinds.ERROR],
  ["CLIENT_ERROR bad data chunk", kinds.CLIENT_ERROR],
  ["CLIENT_ERROR", kinds.CLIENT_ERROR],
  ["SERVER_ERROR object too large for cache", kinds.SERVER_ERROR],
  ["SERVER_ERROR", kinds.SERVER_ERROR],
  ["ME key exp=-1 la=0 cas=2 fetch=yes cls=1 size=63", ME],
  // Lines that begin like others, or like nothing known.
  ["", LINE],
  [" ", LINE],
  ["ME", LINE],
  ["STAT", LINE],
  ["VERSION", LINE],
  ["END ", LINE],
  ["STORED ", LINE],
  ["stored", LINE],
  ["STORE", LINE],
  ["OKAY", LINE],
  ["HDX", LINE],
  ["HD\t", LINE],
  ["H", LINE],
  ["V", LINE],
  ["VA", LINE],
  ["VAR", LINE],
  ["VALUE", LINE],
  ["E", LINE],
  ["42 43", LINE],
  ["42x", LINE],
  [" 42", LINE],
  ["-1", LINE],
  ["184467440737095516150", LINE],
  ["Error TLS not enabled", LINE],
  ["BUSY currently processing crawler request", LINE],
  ["BADCLASS invalid source or destination class id", LINE],
  ["NOSPARE source class has no spare pages", LINE],
  ["NOTFULL dest class has spare memory", LINE],
  ["UNSAFE source class is in an unsafe state", LINE],
  ["SAME source and destination class are identical", LINE],
  ["ITEM d1 [1 b; 1795217265 s]", LINE],
  ["CONFIG cluster 0 20", LINE],
  ["host|10.0.0.1|11211 host2||11211", LINE],
  ["a\0b\x01\x7f\xff", LINE],
  ["a\rb", LINE],
];

/** Lines of meta return codes, and what their flags say. */
const CODES: ReadonlyArray<readonly [line: string, said: Partial<Reply>]> = [
  ["HD", { kind: HD }],
  ["EN", { kind: EN }],
  ["NS", { kind: NS }],
  ["EX", { kind: EX }],
  ["NF", { kind: NF }],
  ["MN", { kind: MN }],
  ["HD ", { kind: HD }],
  ["HD  ", { kind: HD }],
  ["HD O0", { kind: HD, opaque: 0 }],
  ["HD O640 kapple16", { kind: HD, opaque: 640 }],
  ["HD f992 s17 t-1 h1 l0 O12 kk", { kind: HD, flags: 992, opaque: 12 }],
  ["HD c18446744073709551615", { kind: HD, cas: MAX64 }],
  ["HD c1 W X Z", { kind: HD, cas: 1n }],
  ["HD W", { kind: HD }],
  ["HD kZm9v b", { kind: HD }],
  ["HD k\x80\xff\xa0 O7", { kind: HD, opaque: 7 }],
  ["HD kO9 kf9 kc9", { kind: HD }],
  ["HD O", { kind: HD, opaque: -2 }],
  ["HD Oabc", { kind: HD, opaque: -2 }],
  ["HD O12c", { kind: HD, opaque: -2 }],
  ["HD O-1", { kind: HD, opaque: -2 }],
  ["HD O999999999999999", { kind: HD, opaque: 999999999999999 }],
  ["HD O1234567890123456", { kind: HD, opaque: -2 }],
  ["HD O1234567890123456789012345678901", { kind: HD, opaque: -2 }],
  ["HD O1 O2", { kind: HD, opaque: 2 }],
  ["HD f4294967295", { kind: HD, flags: 4294967295 }],
  ["EN O5 k", { kind: EN, opaque: 5 }],
  ["EN O640 kapple16", { kind: EN, opaque: 640 }],
  ["EN kb", { kind: EN }],
  ["NS O5 kk b", { kind: NS, opaque: 5 }],
  ["EX c7 O5", { kind: EX, cas: 7n, opaque: 5 }],
  ["NF O526 kz301", { kind: NF, opaque: 526 }],
];

/** Lines with a data block behind them. */
const BLOCKS: ReadonlyArray<
  readonly [line: string, data: string, said: Partial<Reply>]
> = [
  ["VALUE k 0 0", "", { key: "k" }],
  ["VALUE k 5 3", "abc", { key: "k", flags: 5 }],
  ["VALUE k 4294967295 1", "x", { key: "k", flags: 4294967295 }],
  ["VALUE k 007 003", "abc", { key: "k", flags: 7 }],
  ["VALUE k 0 3 77", "abc", { key: "k", cas: 77n }],
  ["VALUE k 0 3 999999999999999", "abc", { key: "k", cas: 999999999999999n }],
  ["VALUE k 0 1 1234567890123456", "a", { key: "k", cas: 1234567890123456n }],
  ["VALUE k 0 1 18446744073709551615", "a", { key: "k", cas: MAX64 }],
  ["VALUE k 0 1 00000000000000000001", "a", { key: "k", cas: 1n }],
  [`VALUE ${"k".repeat(250)} 0 1`, "a", { key: "k".repeat(250) }],
  ["VALUE \x80\xff\xc3\xa9 0 1", "a", { key: "\x80\xff\xc3\xa9" }],
  ["VALUE VALUE 0 5", "END\r\n", { key: "VALUE" }],
  ["VALUE k 0 24", "ERROR\r\nVALUE y 0 1\r\n\r\n\r\n", { key: "k" }],
  ["VALUE k 0 256", EVERY_BYTE, { key: "k" }],
  ["VALUE k 0 9000", LONG, { key: "k" }],
  ["VA 0", "", {}],
  ["VA 2", "hi", {}],
  ["VA 0002", "hi", {}],
  ["VA 2 ", "hi", {}],
  ["VA 2 W", "hi", {}],
  ["VA 2 f30", "hi", { flags: 30 }],
  ["VA 2 c9 f4294967295 O17", "hi", { flags: 4294967295, cas: 9n, opaque: 17 }],
  ["VA 2 kfoo t-1 h1 l0 s2 O3", "hi", { opaque: 3 }],
  ["VA 2  f1  O2 ", "hi", { flags: 1, opaque: 2 }],
  ["VA 2 kZm9v b O0", "hi", { opaque: 0 }],
  ["VA 2 k\xe9\x80 X Z ?what =9", "hi", {}],
  ["VA 2 Oab", "hi", { opaque: -2 }],
  ["VA 2 c18446744073709551615", "hi", { cas: MAX64 }],
  ["VA 4 f1", "\r\n\r\n", { flags: 1 }],
  ["VA 256 f1 O2", EVERY_BYTE, { flags: 1, opaque: 2 }],
  ["VA 9000 f16 O3", LONG, { flags: 16, opaque: 3 }],
];

/** Bytes that no memcached sends, and what is left of them. */
const BROKEN: ReadonlyArray<readonly [stream: string, said: Partial<Reply>]> = [
  ["\n", { kind: INVALID, fault: NO_CRLF }],
  ["END\n", { kind: INVALID, fault: NO_CRLF }],
  ["END\n\r\n", { kind: INVALID, fault: NO_CRLF }],
  ["VALUE k 0 1\nx\r\n", { kind: INVALID, fault: NO_CRLF }],
  ["VA 1 f1\nx\r\n", { kind: INVALID, fault: NO_CRLF }],
  ["HD O1\nHD\r\n", { kind: INVALID, fault: NO_CRLF }],
  ["key=a exp=-1 la=1 cas=2\nEND\r\n", { kind: INVALID, fault: NO_CRLF }],
  ["ts=1.5 gid=1 type=item_get\n", { kind: INVALID, fault: NO_CRLF }],
  ["VALUE k 0 3\r\nabcd\r\n", { kind: INVALID, fault: TOO_LONG }],
  ["VALUE k 0 5\r\nabc\r\nEND\r\n", { kind: INVALID, fault: TOO_LONG }],
  ["VALUE k 0 3\r\nabc\r\r\n", { kind: INVALID, fault: TOO_LONG }],
  ["VALUE k 0 3\r\nabc\n\r\n", { kind: INVALID, fault: TOO_LONG }],
  ["VA 0\r\nEN\r\n", { kind: INVALID, fault: TOO_LONG }],
  ["VA 3 f1\r\nabcd\r\n", { kind: INVALID, fault: TOO_LONG }],
  ["HD f\r\n", { kind: INVALID, fault: BAD_FLAGS }],
  ["HD f4294967296\r\n", { kind: INVALID, fault: BAD_FLAGS }],
  ["HD f-1\r\n", { kind: INVALID, fault: BAD_FLAGS }],
  ["HD c\r\n", { kind: INVALID, fault: BAD_FLAGS }],
  ["HD c18446744073709551616\r\n", { kind: INVALID, fault: BAD_FLAGS }],
  ["HD c184467440737095516150\r\n", { kind: INVALID, fault: BAD_FLAGS }],
  ["HD c1x\r\n", { kind: INVALID, fault: BAD_FLAGS }],
  ["EN \t\r\n", { kind: INVALID, fault: BAD_FLAGS }],
  ["EN O1\rO2\r\n", { kind: INVALID, fault: BAD_FLAGS }],
  ["MN k\0\r\n", { kind: INVALID, fault: BAD_FLAGS }],
  // Headers that cannot be read are lines like any other: nothing expects
  // them, so they end the connection too.
  ["VALUE k 4294967296 1\r\n", { kind: LINE }],
  ["VALUE k 0 1 18446744073709551616\r\n", { kind: LINE }],
  ["VALUE k 0 1 184467440737095516150\r\n", { kind: LINE }],
  ["VALUE k 0 1 \r\n", { kind: LINE }],
  ["VALUE k 0 1 x\r\n", { kind: LINE }],
  ["VALUE k 0 1 2 3\r\n", { kind: LINE }],
  ["VALUE k  0 1\r\n", { kind: LINE }],
  ["VALUE  k 0 1\r\n", { kind: LINE }],
  ["VALUE k 0  1\r\n", { kind: LINE }],
  ["VALUE k 0 1\r\r\n", { kind: LINE }],
  ["VALUE k 0 -1\r\n", { kind: LINE }],
  ["VALUE k -1 1\r\n", { kind: LINE }],
  ["VALUE k 0 1x\r\n", { kind: LINE }],
  ["VALUE k 0\r\n", { kind: LINE }],
  ["VALUE k\t0 1\r\n", { kind: LINE }],
  ["VALUE 0 1\r\n", { kind: LINE }],
  ["VALUE k 0 1234567890123456\r\n", { kind: LINE }],
  ["VALUE k 0 18446744073709551615\r\n", { kind: LINE }],
  ["VALUES k 0 1\r\n", { kind: LINE }],
  ["VA -1\r\n", { kind: LINE }],
  ["VA \r\n", { kind: LINE }],
  ["VA  2\r\n", { kind: LINE }],
  ["VA x\r\n", { kind: LINE }],
  ["VA 2x\r\n", { kind: LINE }],
  ["VA 2\tf1\r\n", { kind: LINE }],
  ["VA 2 f\r\n", { kind: LINE }],
  ["VA 2 c1x\r\n", { kind: LINE }],
  ["VA 12345678901234567890\r\n", { kind: LINE }],
];

/** Every stream above with the reply that its first bytes are. */
const CASES: ReadonlyArray<readonly [stream: string, reply: Reply]> = [
  ...LINES.map(([line, kind]): [string, Reply] => [
    `${line}\r\n`,
    { kind, line, meta: "", flags: 0, cas: 0n, opaque: -1 },
  ]),
  ...CODES.map(([line, said]): [string, Reply] => [
    `${line}\r\n`,
    {
      ...{ kind: HD, line, meta: line.slice(3), flags: 0, cas: 0n, opaque: -1 },
      ...said,
    },
  ]),
  ...BLOCKS.map(([line, data, said]): [string, Reply] => [
    `${line}\r\n${data}\r\n`,
    {
      ...(line.startsWith("VALUE")
        ? { kind: VALUE }
        : { kind: VA, meta: line.replace(/^VA \d+ ?/, "") }),
      ...{ line, data, flags: 0, cas: 0n, opaque: -1 },
      ...said,
    },
  ]),
  ...BROKEN.map(([stream, said]): [string, Reply] => [
    stream,
    said.kind === INVALID ? { kind: INVALID, ...said } : {
      ...{ kind: LINE, line: stream.slice(0, -2), meta: "" },
      ...{ flags: 0, cas: 0n, opaque: -1 },
    },
  ]),
];

/** Decodes a stream in every way of cutting it, and expects the same of all. */
function assertUncut(stream: Uint8Array, random: Random): Reading {
  const whole = decode(stream, WHOLE);
  const told = latin1(stream, 0, 200);
  assertEquals(decode(stream, BYTES), whole, told);
  for (let at = 1; at < Math.min(stream.length, 400); at++) {
    assertEquals(decode(stream, cutAt(at)), whole, `${told} cut at ${at}`);
  }
  for (let i = 0; i < 4; i++) {
    const cuts = randomCuts(random, stream.length);
    assertEquals(decode(stream, cuts), whole, told);
  }
  return whole;
}

test("next() reads every reply of the protocol, however it is cut", () => {
  const random = new Random(1);
  for (const [stream, reply] of CASES) {
    const { replies, pending } = assertUncut(bytes(stream), random);
    assertEquals(replies[0], reply, stream.slice(0, 200));
    if (reply.kind !== INVALID) {
      assertEquals([replies.length, pending], [1, false]);
    }
  }
});

test("next() keeps nothing of one reply for the next", () => {
  const random = new Random(2);
  const good = CASES.filter(([, { kind }]) => kind !== INVALID);
  for (let i = 0; i < 60; i++) {
    const chosen = Array.from({ length: 40 }, () => random.pick(good));
    const stream = bytes(chosen.map(([text]) => text).join(""));
    const expected = {
      replies: chosen.map(([, reply]) => reply),
      pending: false,
    };
    assertEquals(decode(stream, WHOLE), expected);
    assertEquals(decode(stream, randomCuts(random, 700)), expected);
    assertEquals(decode(stream, randomCuts(random, 20_000)), expected);
  }
});

test("next() reads what memcached sent, however it is cut", async (t) => {
  const random = new Random(3);
  for (const [file, count] of Object.entries(RECORDED)) {
    await t.step(file, () => {
      const streams = recorded(file);
      assertEquals(streams.length, count);
      for (const stream of streams) {
        const { replies, pending } = assertUncut(bytes(stream), random);
        if (replies.at(-1)?.kind === INVALID) replies.pop();
        else if (!pending) assertEquals(rebuild(replies), stream);
        assert(stream.startsWith(rebuild(replies)));
      }
    });
  }
}, { timeout: 60_000 });

/** Files of recorded bytes, and how many different streams are in each. */
const RECORDED: Readonly<Record<string, number>> = {
  "classic_pairs.json": 83,
  "meta_pairs.json": 185,
  "meta_random_pairs.json": 227,
  "wire_fetch.json": 185,
};

interface Recorded {
  cases: Array<{ steps?: Array<{ recv?: string; reply?: string }> }>;
}

/** What a server sent in the steps of a file, each text once. */
function recorded(file: string): string[] {
  const { cases } = readVectors<Recorded>(file);
  const texts = cases.flatMap(({ steps = [] }) =>
    steps.map(({ recv, reply }) => recv ?? reply ?? "")
  );
  return [...new Set(texts)].filter((text) => text !== "");
}

test("target() is the memory of the value that is being read", () => {
  const value = bytes(LONG);
  const decoder = new Decoder(10_000);
  decoder.feed(bytes("VA 9000 f1\r\nvv"));
  assertEquals(decoder.next(), MORE);
  const target = decoder.target();
  assert(target !== undefined);
  assertEquals(target.length, 9000, "the rest, with its CRLF");
  target.set(value.subarray(2, 5002));
  decoder.feed(target.subarray(0, 5000));
  assertEquals(decoder.next(), MORE);
  assertEquals(decoder.target(), undefined, "too little is left");
  decoder.feed(bytes(`${LONG.slice(5002)}\r\nHD\r\n`));
  assertEquals(decoder.next(), VA);
  assertEquals(latin1(decoder.data, decoder.dataStart, decoder.dataEnd), LONG);
  assert(decoder.owned);
  assert(decoder.data.buffer === target.buffer, "not copied");
  assertEquals(decoder.next(), HD);
  assertEquals(decoder.target(), undefined);
});

test("target() may be ignored, filled in part, or to the last byte", () => {
  const stream = bytes(`VALUE k 0 9000\r\n${LONG}\r\nEND\r\n`);
  const whole = decode(stream, WHOLE);
  for (const first of [17, 18, 100, 4000, 8999]) {
    for (const next of [1, 100, 4905, 9001, 9002, 100_000]) {
      const feeding = (direct: boolean) => ({
        size: (at: number) => at < first ? first - at : next,
        direct: () => direct,
      });
      assertEquals(decode(stream, feeding(true)), whole);
      assertEquals(decode(stream, feeding(false)), whole);
    }
  }
});

test("owned says whether a value's memory is its own", () => {
  const stream = bytes(`VALUE k 0 9\r\nabcdefghi\r\nEND\r\n`);
  for (let at = 1; at < stream.length; at++) {
    const decoder = new Decoder(100);
    const chunks = [stream.slice(0, at), stream.slice(at)];
    let kept: Uint8Array | undefined;
    for (const chunk of chunks) {
      decoder.feed(chunk);
      while (decoder.next() !== MORE) {
        if (decoder.dataEnd === 0 || kept !== undefined) continue;
        const { data, dataStart, dataEnd, owned } = decoder;
        const inChunk = chunks.some(({ buffer }) => buffer === data.buffer);
        assertEquals(owned, !inChunk);
        kept = data.subarray(dataStart, dataEnd);
        if (inChunk) kept = kept.slice();
      }
      chunk.fill(0);
    }
    assertEquals(kept && latin1(kept), "abcdefghi", `cut at ${at}`);
  }
});

test("pending and midReply tell a reply's middle from its end", () => {
  const replies = [
    "END\r\n",
    "VALUE k 0 4\r\n\r\n\r\n\r\n",
    "VA 2 f1\r\nhi\r\n",
  ];
  const stream = bytes(replies.join("") + "HD O1\r\n");
  const ends = [0];
  for (const reply of replies) ends.push(ends[ends.length - 1] + reply.length);
  for (let at = 0; at < stream.length; at++) {
    const decoder = new Decoder(100);
    decoder.feed(stream.slice(0, at));
    if (at > 0) assert(decoder.pending);
    while (decoder.next() !== MORE);
    assertEquals(decoder.midReply, !ends.includes(at), `at ${at}`);
    assertEquals(decoder.pending, !ends.includes(at), `at ${at}`);
  }
});
