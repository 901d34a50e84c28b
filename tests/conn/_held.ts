/**
 * Long texts whose reader pauses.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { Socket } from "node:net";
import type { Dial, DialOptions } from "../../src/conn/conn.ts";
import { echo, open, pattern, send, serve, type Served } from "./_servers.ts";

const encoder = new TextEncoder();

/** More than the system's own buffers on both sides take. */
const LONG = 48 << 20;

/** Sends a long text once it is asked for one. */
export function longText(socket: Socket): void {
  socket.once("data", () => socket.end(pattern(LONG)));
}

/** Pauses now and then, and sees that the other side is held up by that. */
export async function heldUp(
  dial: Dial,
  server: Served,
  more: Partial<DialOptions> = {},
): Promise<void> {
  const { conn, probe } = await open(dial, server.address, more);
  assert(conn.pause !== undefined && conn.resume !== undefined);
  // Without a pause it does nothing.
  conn.resume();
  conn.write(encoder.encode("go"));
  const other = await serve(echo);
  const pinger = await open(dial, other.address);
  const long = pattern(LONG);
  const secure = more.tls !== undefined;
  let wrong = 0;
  let at = 0;
  probe.onData = (bytes) => {
    for (let i = 0; i < bytes.length; i += 997) {
      if (bytes[i] !== long[at + i]) wrong++;
    }
    at += bytes.length;
    probe.chunks.length = 0;
  };
  for (let round = 1; round <= 3; round++) {
    await probe.until(() => probe.received > round << 20);
    conn.pause();
    conn.pause();
    const before = probe.received;
    for (let i = 0; i < 100; i++) {
      const due = pinger.probe.received + 4;
      await send(pinger.conn, pinger.probe, encoder.encode("ping"));
      await pinger.probe.until(() => pinger.probe.received === due);
    }
    // What was being read when it was paused has still arrived.
    const late = probe.received - before;
    assert(late <= 1 << 20, `${late} bytes while paused`);
    const socket = await server.accepted();
    // What is to be encrypted has been taken by its socket already.
    const isHeldUp = secure || socket.writableLength > 0;
    assert(isHeldUp, "the other side is not held up");
    conn.resume();
  }
  await probe.until(() => probe.ends.length === 1);
  assertEquals([at, wrong, probe.faults], [LONG, 0, []]);
  pinger.conn.close();
  await other.close();
  await server.close();
}

/** Compares long byte strings faster than `assertEquals`. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
