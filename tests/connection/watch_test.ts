import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import type { ClientOptions } from "../../src/client/options.ts";
import { readOptions } from "../../src/client/options.ts";
import { Connection } from "../../src/connection/connection.ts";
import type { Loss, Watch } from "../../src/connection/watch.ts";
import {
  MemcacheConnectionError,
  MemcacheTimeoutError,
} from "../../src/errors.ts";
import { EndingCommand } from "../../src/client/requests/admin.ts";
import {
  FoundCommand,
  VersionCommand,
} from "../../src/client/requests/word.ts";
import { test } from "../_runtime.ts";
import { type ScriptedServer, withServer } from "../_scripted.ts";

/** Notes what it is told, one text for each. */
class Notes implements Watch {
  readonly told: string[] = [];
  readonly causes: unknown[] = [];
  readonly silences: number[] = [];
  #waiting: Array<() => void> = [];

  opened(): void {
    this.#note("opened");
  }
  answered(): void {
    this.#note("answered");
  }
  failed(cause: unknown, readyAt: number): void {
    assert(readyAt > 0 && readyAt <= performance.now());
    this.causes.push(cause);
    this.#note("failed");
  }
  lost({ kind, error, hasServed, openedAt, silence }: Loss): void {
    assert(openedAt > 0 && openedAt <= performance.now());
    this.causes.push(error);
    this.silences.push(silence);
    this.#note(hasServed ? kind : `${kind}, served nothing`);
  }

  /** Waits until so much has been told. */
  async until(count: number): Promise<void> {
    while (this.told.length < count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #note(text: string): void {
    this.told.push(text);
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Runs `fn` with a watched connection to a server, and closes it. */
async function watched(
  server: string,
  options: ClientOptions,
  fn: (connection: Connection, notes: Notes) => Promise<void>,
): Promise<void> {
  const notes = new Notes();
  const settings = readOptions(server, options).connection;
  const connection = new Connection({ ...settings, watch: notes });
  try {
    await fn(connection, notes);
  } finally {
    connection.close();
  }
}

/** Sends a command; resolves to its failure, if it has one. */
function send(connection: Connection, command = "version"): Promise<unknown> {
  const { request } = command === "version"
    ? new VersionCommand()
    : command === "quit"
    ? new EndingCommand("quit", "quit")
    : new FoundCommand("touch", "k", "touch k 0", false);
  request.limit(undefined, 300);
  const end = request.promise<unknown>();
  connection.execute(request);
  return end.then(() => undefined, (error) => error);
}

test("Watch is told of a connection that opens and answers", async () => {
  await withServer({}, async (server) => {
    await watched(server.address, {}, async (connection, { told }) => {
      await send(connection);
      await send(connection);
      assertEquals(told, ["opened", "answered"]);
      connection.disconnect();
      await send(connection);
      // What we end ourselves is not lost.
      assertEquals(told, ["opened", "answered", "opened", "answered"]);
      await send(connection, "quit");
      assertEquals(told.length, 4);
    });
  });
});

test("Watch is told of a server that cannot be reached", async () => {
  const server = await closedServer();
  await watched(server, {}, async (connection, { told, causes }) => {
    assertInstanceOf(await send(connection), MemcacheConnectionError);
    assertEquals(told, ["failed"]);
    assert(causes[0] instanceof Error);
  });
});

test("Watch is told of a connection that is closed", async () => {
  await withServer({
    command: (command, peer) => {
      if (command.name !== "touch") return peer.reply(command);
      peer.end();
      return undefined;
    },
  }, async (server) => {
    await watched(server.address, {}, async (connection, notes) => {
      await send(connection);
      assertInstanceOf(await send(connection, "touch"), Error);
      assertEquals(notes.told, ["opened", "answered", "closed"]);
      await send(connection);
      server.last.end();
      await notes.until(6);
      assertEquals(notes.told.slice(3), ["opened", "answered", "idle"]);
      // The very first command of a connection.
      assertInstanceOf(await send(connection, "touch"), Error);
      assertEquals(notes.told.slice(6), [
        "opened",
        "answered",
        "closed, served nothing",
      ]);
    });
  });
});

test("Watch is told of silence, where a caller waited in vain", async () => {
  let silent = false;
  await withServer({
    command: (command, peer) => silent ? undefined : peer.reply(command),
  }, async (server) => {
    const options = { timeout: 100 };
    await watched(server.address, options, async (connection, notes) => {
      await send(connection);
      silent = true;
      assertInstanceOf(await send(connection, "touch"), MemcacheTimeoutError);
      await notes.until(3);
      assertEquals(notes.told, ["opened", "answered", "silent"]);
      assert(notes.silences[0] >= 99 && notes.silences[0] < 1000);
      assertInstanceOf(notes.causes[0], MemcacheTimeoutError);
      // The next one never answers at all.
      assertInstanceOf(await send(connection, "touch"), MemcacheTimeoutError);
      await notes.until(5);
      assertEquals(notes.told.slice(3), ["opened", "failed"]);
    });
  });
});

test("Watch is told of what no memcached says", async () => {
  await withServer({
    command: (command, peer) =>
      command.name === "touch" ? "HD\r\n" : peer.reply(command),
  }, async (server) => {
    await watched(server.address, {}, async (connection, { told }) => {
      await send(connection);
      assertInstanceOf(await send(connection, "touch"), Error);
      assertEquals(told, ["opened", "answered", "broken"]);
      const [error] = await Promise.all([
        send(connection, "touch"),
        send(connection),
      ]);
      assertInstanceOf(error, Error);
      assertEquals(told.slice(3), [
        "opened",
        "answered",
        "broken, served nothing",
      ]);
    });
  });
});

test("Watch is told of no failure where the server says what is wrong", async () => {
  await withServer({
    command: (command, peer) => {
      if (command.name === "touch") return "ERROR\r\n";
      return peer.reply(command);
    },
  }, async (server) => {
    const options: ClientOptions = { protocol: "classic" };
    await watched(server.address, options, async (connection, { told }) => {
      // Which of the two the line is for cannot be known.
      const { request: silent } = new FoundCommand(
        "touch",
        "k",
        "touch k 0",
        true,
      );
      silent.limit(undefined, 300);
      connection.execute(silent);
      assertInstanceOf(await send(connection, "touch"), Error);
      assertEquals(told, ["opened"]);
    });
  });
});

test("Watch is not told of a proxy that hangs up on the probe", async () => {
  await withServer({
    command: (command, peer) => {
      if (command.name !== "mn") return peer.reply(command);
      peer.end();
      return undefined;
    },
  }, async (server) => {
    await watched(server.address, {}, async (connection, { told }) => {
      assertEquals(await send(connection), undefined);
      assertEquals(told, ["opened", "opened", "answered"]);
    });
  });
});

test("Watch is told when callers wait for a connect in vain", async () => {
  const options: ClientOptions = {
    timeout: 50,
    connectTimeout: 0,
    dial: () => new Promise(() => {}),
  };
  await watched("localhost", options, async (connection, { told, causes }) => {
    const [late] = await Promise.all([send(connection), send(connection)]);
    assertInstanceOf(late, MemcacheTimeoutError);
    // Those of 300 ms, of an attempt that is older than the client's 50.
    assertEquals(told, ["failed"]);
    assertInstanceOf(causes[0], MemcacheTimeoutError);
  });
});

/** The address of a server that is not there any more. */
async function closedServer(): Promise<string> {
  let address = "";
  await withServer({}, (server: ScriptedServer) => {
    address = server.address;
    return Promise.resolve();
  });
  return address;
}
