import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import type { Conn, ConnEvents } from "../../src/conn/conn.ts";
import { LineStream } from "../../src/connection/line_stream.ts";
import type { ConnectionOptions } from "../../src/connection/options.ts";
import {
  MemcacheAuthError,
  MemcacheConnectionError,
  type MemcacheError,
  MemcacheOverloadError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
  MemcacheUnknownError,
} from "../../src/errors.ts";
import { FakeTime } from "../_fake_time.ts";
import { test } from "../_runtime.ts";
import { Random } from "../wire/_random.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A connection that a test has in its hands. */
class Hand implements Conn {
  sent = "";
  isPaused = false;
  isClosed = false;
  isRef = false;
  pauses = 0;
  readonly #canPause: boolean;
  #events: ConnEvents | undefined;

  constructor(canPause = true) {
    this.#canPause = canPause;
    if (canPause) return;
    Object.assign(this, { pause: undefined, resume: undefined });
  }

  start(events: ConnEvents): void {
    this.#events = events;
  }

  write(bytes: Uint8Array): boolean {
    this.sent += decoder.decode(bytes);
    return true;
  }

  pause(): void {
    assert(this.#canPause);
    this.isPaused = true;
    this.pauses++;
  }

  resume(): void {
    this.isPaused = false;
  }

  ref(): void {
    this.isRef = true;
  }

  unref(): void {
    this.isRef = false;
  }

  close(): void {
    this.isClosed = true;
  }

  deliver(bytes: string | Uint8Array): void {
    const view = typeof bytes === "string" ? encoder.encode(bytes) : bytes;
    // The memory is the transport's own, and is used for something else then.
    const copy = view.slice();
    this.#events?.data(copy);
    copy.fill(10);
  }

  end(error?: unknown): void {
    this.#events?.end(error);
  }
}

function options(
  dial: () => Promise<Conn>,
  more: Partial<ConnectionOptions> = {},
): ConnectionOptions {
  return {
    address: { transport: "unix", path: "/s", name: "/s", weight: 1 },
    dial,
    connectTimeout: 1000,
    timeout: 1000,
    noDelay: true,
    keepAlive: false,
    tls: undefined,
    auth: undefined,
    protocol: "auto",
    maxPending: 1,
    maxValueSize: 1,
    report: () => {},
    join: ([request]) => request,
    ...more,
  };
}

/** Lets everything happen that waits for nothing else. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

async function opened(
  hand: Hand = new Hand(),
): Promise<{ stream: LineStream; hand: Hand }> {
  const stream = new LineStream(options(() => Promise.resolve(hand)), "watch");
  await stream.open();
  return { stream, hand };
}

/** The error that something waits for in vain. */
async function failure(promise: Promise<unknown>): Promise<MemcacheError> {
  const error = await assertRejects(() => promise);
  // Who expects something else says so.
  return error as MemcacheError;
}

function taken(stream: LineStream): string[] {
  const lines: string[] = [];
  for (let line; (line = stream.take()) !== undefined;) lines.push(line);
  return lines;
}

test("LineStream reads the same lines, however they are cut", async () => {
  const random = new Random(13);
  const pieces = [
    "",
    "a",
    "ü€",
    "\0\x7f",
    "b c=d",
    "x".repeat(300),
    "\r",
    "é\r",
  ];
  for (let round = 0; round < 200; round++) {
    const lines: string[] = [];
    let text = "";
    const count = random.below(40);
    for (let i = 0; i < count; i++) {
      const line = pieces[random.below(pieces.length)] +
        pieces[random.below(pieces.length)];
      text += line + (random.below(2) === 0 ? "\n" : "\r\n");
      const isCut = text.endsWith("\r\n");
      lines.push(isCut ? text.slice(0, -2).split("\n").pop() ?? "" : line);
    }
    const bytes = encoder.encode(text);
    const { stream, hand } = await opened();
    const found: string[] = [];
    for (let at = 0; at < bytes.length;) {
      const size = round === 0 ? 1 : 1 + random.below(round < 100 ? 7 : 900);
      hand.deliver(bytes.subarray(at, at + size));
      at += size;
      if (random.below(3) > 0) found.push(...taken(stream));
    }
    found.push(...taken(stream));
    assertEquals(found, lines, `round ${round}`);
    stream.close(undefined);
  }
});

test("line() waits for a whole line", async () => {
  const { stream, hand } = await opened();
  const line = stream.line();
  hand.deliver("hel");
  await settle();
  hand.deliver("lo");
  await settle();
  hand.deliver("\nnext\n");
  assertEquals([await line, await stream.line()], ["hello", "next"]);
  stream.close(undefined);
});

test("line() gives others their turn where many lines wait", async () => {
  const { stream, hand } = await opened();
  const count = 20_000;
  hand.deliver("0123456789\n".repeat(count));
  let turns = 0;
  let isOver = false;
  const next = (): void => {
    turns++;
    if (!isOver) setImmediate(next);
  };
  setImmediate(next);
  for (let i = 0; i < count; i++) await stream.line();
  isOver = true;
  assertGreater(turns, 100);
  stream.close(undefined);
});

test("LineStream stops reading where too much waits, and reads on", async () => {
  const { stream, hand } = await opened();
  const block = encoder.encode("0123456789\n".repeat(1000));
  let delivered = 0;
  while (!hand.isPaused) {
    hand.deliver(block);
    delivered += block.length;
  }
  assertGreater(delivered, 256 * 1024);
  assertLess(delivered, 256 * 1024 + 2 * block.length);
  let read = 0;
  while (hand.isPaused) read += (stream.take() ?? "").length + 1;
  assertLess(delivered - read, 64 * 1024);
  assertEquals(hand.pauses, 1);
  // All is there, also what came late.
  hand.deliver(block);
  read += taken(stream).length * 11;
  assertEquals(read, delivered + block.length);
  stream.close(undefined);
});

test("LineStream fails where the transport cannot be paused", async () => {
  const { stream, hand } = await opened(new Hand(false));
  const block = encoder.encode("0123456789\n".repeat(10_000));
  let delivered = 0;
  while (!hand.isClosed) {
    hand.deliver(block);
    delivered += block.length;
    assertLess(delivered, 9 << 20);
  }
  assertGreater(delivered, 8 << 20);
  assertEquals(stream.take(), undefined);
  const error = await failure(stream.line());
  assertInstanceOf(error, MemcacheOverloadError);
  assertStrictEquals(await failure(stream.line()), error);
});

test("LineStream drops a line without an end", async () => {
  const { stream, hand } = await opened();
  const line = stream.line();
  const error = failure(line);
  for (let i = 0; i < 65; i++) hand.deliver("x".repeat(1024));
  assertInstanceOf(await error, MemcacheUnknownError);
  assertEquals(hand.isClosed, true);
});

test("LineStream gives what came before the end, then the error", async () => {
  for (const cause of [undefined, new Error("ECONNRESET")]) {
    const { stream, hand } = await opened();
    hand.deliver("one\ntwo\nthr");
    hand.end(cause);
    assertEquals([await stream.line(), await stream.line()], ["one", "two"]);
    const error = await failure(stream.line());
    assertInstanceOf(error, MemcacheUnexpectedCloseError);
    assertEquals([error.server, error.command, error.code], [
      "/s",
      "watch",
      "ERR_UNEXPECTED_CLOSE",
    ]);
    assertStrictEquals(await failure(stream.line()), error);
    assertEquals(hand.isClosed, true);
  }
});

test("LineStream tells who waits that the connection has ended", async () => {
  const { stream, hand } = await opened();
  const error = failure(stream.line());
  hand.end();
  assertInstanceOf(await error, MemcacheUnexpectedCloseError);
});

test("LineStream sends lines, and tells errors of it", async () => {
  const { stream, hand } = await opened();
  assertEquals(stream.about().sent, false);
  stream.send("watch fetchers");
  assertEquals(hand.sent, "watch fetchers\r\n");
  assertEquals(stream.about(), { server: "/s", command: "watch", sent: true });
  const reason = new Error("enough");
  const error = failure(stream.line());
  stream.close(reason);
  stream.close(new Error("again"));
  assertStrictEquals(await error as unknown, reason);
  assertStrictEquals(await failure(stream.line()) as unknown, reason);
  hand.deliver("late\n");
  assertEquals([stream.take(), hand.isClosed], [undefined, true]);
});

test("LineStream keeps the process alive only while one waits", async () => {
  const { stream, hand } = await opened();
  assertEquals(hand.isRef, false);
  const silent = stream.line();
  assertEquals(hand.isRef, false);
  hand.deliver("a\n");
  await silent;
  stream.hold(true);
  assertEquals(hand.isRef, false);
  const line = stream.line();
  assertEquals(hand.isRef, true);
  hand.deliver("b\n");
  await line;
  assertEquals(hand.isRef, false);
  const last = failure(stream.line());
  assertEquals(hand.isRef, true);
  stream.hold(false);
  assertEquals(hand.isRef, false);
  stream.close(new Error("enough"));
  await last;
});

test("LineStream bears a silence as long as its timeout", async () => {
  await FakeTime.with(async (time) => {
    const { stream, hand } = await opened();
    stream.timeout = 100;
    const line = stream.line();
    for (let i = 0; i < 5; i++) {
      await time.tick(90);
      hand.deliver("x");
      await settle();
    }
    hand.deliver("\n");
    assertEquals(await line, "xxxxx");
    // Nobody waits: that is no silence.
    await time.tick(1000);
    const error = failure(stream.line());
    await time.tick(99);
    assertEquals(hand.isClosed, false);
    await time.tick(1);
    const late = await error;
    assertInstanceOf(late, MemcacheTimeoutError);
    assertEquals(late.code, "ERR_TIMEOUT");
    assertEquals(hand.isClosed, true);
  });
});

test("LineStream keeps no server waiting for longer than maxPause", async () => {
  await FakeTime.with(async (time) => {
    const { stream, hand } = await opened();
    stream.maxPause = 100;
    const block = "0123456789\n".repeat(30_000);
    hand.deliver(block);
    assertEquals(hand.isPaused, true);
    for (let i = 0; i < 5; i++) {
      await time.tick(90);
      assertEquals(await stream.line(), "0123456789");
    }
    await time.tick(99);
    assertEquals(hand.isClosed, false);
    await time.tick(1);
    assertEquals(hand.isClosed, true);
    const error = await failure(stream.line());
    assertInstanceOf(error, MemcacheTimeoutError);
  });
});

test("rest() ends after its time, or with the stream", async () => {
  await FakeTime.with(async (time) => {
    const { stream } = await opened();
    stream.timeout = 10;
    let isOver = false;
    const rest = stream.rest(50).then(() => isOver = true);
    await time.tick(49);
    assertEquals(isOver, false);
    await time.tick(1);
    await rest;
    const reason = new Error("enough");
    const error = failure(stream.rest(50));
    stream.close(reason);
    assertStrictEquals(await error as unknown, reason);
  });
});

test("open() fails as the dial does, or after connectTimeout", async () => {
  await FakeTime.with(async (time) => {
    const cause = new Error("ECONNREFUSED");
    const refused = new LineStream(
      options(() => Promise.reject(cause)),
      "watch",
    );
    const error = await failure(refused.open());
    assertInstanceOf(error, MemcacheConnectionError);
    assertEquals([error.server, error.sent, error.cause], ["/s", false, cause]);

    const late = new Hand();
    let answer: (conn: Conn) => void = () => {};
    const silent = new LineStream(
      options(() => new Promise((resolve) => answer = resolve)),
      "watch",
    );
    const timeout = failure(silent.open());
    await settle();
    await time.tick(999);
    await time.tick(1);
    assertInstanceOf(await timeout, MemcacheTimeoutError);
    answer(late);
    await settle();
    assertEquals(late.isClosed, true);
  });
});

test("close() gives a dial up", async () => {
  const late = new Hand();
  let answer: (conn: Conn) => void = () => {};
  let signal: AbortSignal | undefined;
  const stream = new LineStream(
    options(() => new Promise((resolve) => answer = resolve), {
      dial: (_, options) => {
        signal = options.signal;
        return new Promise((resolve) => answer = resolve);
      },
    }),
    "watch",
  );
  const error = failure(stream.open());
  await settle();
  const reason = new Error("enough");
  stream.close(reason);
  assertStrictEquals(await error as unknown, reason);
  assertStrictEquals(signal?.reason, reason);
  answer(late);
  await settle();
  assertEquals([late.isClosed, late.sent], [true, ""]);
});

const SECRET = "open sesame";
const auth = { username: "ada", password: SECRET };

test("open() logs in first", async () => {
  const hand = new Hand();
  const stream = new LineStream(
    options(() => Promise.resolve(hand), { auth }),
    "watch",
  );
  const opening = stream.open();
  await settle();
  assert(/^set \S+ 0 0 15\r\nada open sesame\r\n$/.test(hand.sent));
  hand.deliver("STORED\r\n");
  await opening;
  stream.close(undefined);
});

test("open() tells what a login came to, but not the password", async () => {
  const answers: Array<[string, abstract new (...args: never[]) => Error]> = [
    ["CLIENT_ERROR authentication failure\r\n", MemcacheAuthError],
    ["ERROR Too many open connections\r\n", MemcacheConnectionError],
    [`CLIENT_ERROR ada ${SECRET}\r\n`, Error],
    [`ada ${SECRET}\r\n`, MemcacheUnknownError],
    [`STORED ${SECRET}\r\n`, MemcacheUnknownError],
  ];
  for (const [answer, Class] of answers) {
    const hand = new Hand();
    const stream = new LineStream(
      options(() => Promise.resolve(hand), { auth }),
      "watch",
    );
    const error = failure(stream.open());
    await settle();
    hand.deliver(answer);
    const told = await error;
    assertInstanceOf(told, Class);
    assert(!`${told.message} ${told.stack}`.includes(SECRET), told.message);
    assertEquals(hand.isClosed, true);
  }
});
