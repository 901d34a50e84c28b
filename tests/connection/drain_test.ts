/**
 * A connection that takes no more, finishes what it owes, and closes.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { test } from "../_runtime.ts";
import { type ScriptedServer, withServer } from "../_scripted.ts";
import { Connection } from "../../src/connection/connection.ts";
import { readOptions } from "../../src/client/options.ts";
import { OkCommand, VersionCommand } from "../../src/client/requests/word.ts";
import type { Request } from "../../src/connection/request.ts";
import { MemcacheError } from "../../src/errors.ts";
import type { ClientOptions } from "../../src/client/options.ts";

/** Runs `fn` with a connection to a server, and closes both. */
async function withConnection(
  options: ClientOptions,
  fn: (
    connection: Connection,
    server: ScriptedServer,
  ) => Promise<void>,
): Promise<void> {
  await withServer({}, async (server) => {
    const settings = readOptions(server.address, options).connection;
    const connection = new Connection(settings);
    try {
      await fn(connection, server);
    } finally {
      connection.close();
    }
  });
}

/** Sends `version`, and tells what became of it. */
function version(connection: Connection): Promise<unknown> {
  return ended(connection, new VersionCommand().request);
}

function ended(connection: Connection, request: Request): Promise<unknown> {
  request.limit(undefined, 5000);
  const promise = request.promise<unknown>().catch((error) => error);
  connection.execute(request);
  return promise;
}

test("drain() finishes what is in flight, refuses the rest, and closes", async () => {
  await withConnection({}, async (connection, server) => {
    await version(connection);
    const replies: Array<() => void> = [];
    server.script = (command, peer) => {
      replies.push(() => peer.answer(command));
      return undefined;
    };
    let drained = false;
    const first = version(connection);
    await server.until(() => replies.length === 1);
    const second = version(connection);
    const drain = connection.drain().then(() => drained = true);
    assertEquals(connection.closed, true);
    const late = await version(connection);
    assertInstanceOf(late, MemcacheError);
    assertEquals([late.code, late.sent], ["ERR_CLIENT_CLOSED", false]);
    await server.until(() => replies.length === 2);
    replies[0]();
    assertEquals([await first, drained], ["1.6.18", false]);
    replies[1]();
    assertEquals([await second, await drain], ["1.6.18", true]);
    await connection.drain();
    await server.until(() => server.last.closed);
    assertEquals(server.peers.length, 1);
  });
});

test("drain() of a connection with nothing to do closes at once", async () => {
  await withConnection({}, async (connection, server) => {
    await connection.drain();
    assertEquals([connection.closed, server.peers.length], [true, 0]);
  });
  await withConnection({}, async (connection, server) => {
    await version(connection);
    await connection.drain();
    await server.until(() => server.last.closed);
  });
});

test("drain() sends commands without reply, and what waits for a connection", async () => {
  await withConnection({}, async (connection, server) => {
    const quiet = ended(
      connection,
      new OkCommand("flush_all", undefined, "flush_all", true).request,
    );
    const asked = version(connection);
    await connection.drain();
    assertEquals([await quiet, await asked], [true, "1.6.18"]);
    assertEquals(server.lines, ["flush_all noreply", "version"]);
  });
});

test("drain() ends with close() and with disconnect()", async () => {
  for (const end of ["close", "disconnect"] as const) {
    await withConnection({}, async (connection, server) => {
      await version(connection);
      server.script = () => undefined;
      const pending = version(connection);
      await server.until(() => server.lines.length === 2);
      const drained = connection.drain();
      connection[end]();
      await drained;
      assert(await pending instanceof MemcacheError);
      assertEquals(connection.closed, true);
    });
  }
});

test("drain() ends when the connection is lost, or the time is up", async () => {
  await withConnection({}, async (connection, server) => {
    await version(connection);
    server.script = (_, peer) => {
      peer.end();
      return undefined;
    };
    const pending = version(connection);
    await connection.drain();
    assert(await pending instanceof MemcacheError);
    assertEquals(connection.closed, true);
  });
  await withConnection({ timeout: 100 }, async (connection, server) => {
    await version(connection);
    server.script = () => undefined;
    const { request } = new VersionCommand();
    request.limit({ timeout: 100 }, 100);
    const pending = request.promise().catch((error) => error.code);
    connection.execute(request);
    await connection.drain();
    assertEquals(await pending, "ERR_TIMEOUT");
  });
});
