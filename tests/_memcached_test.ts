import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import process from "node:process";
import {
  type Memcached,
  needsMemcached,
  startMemcached,
  TRANSPORTS,
  withMemcached,
} from "./_memcached.ts";
import { test } from "./_runtime.ts";

/** Sends `text` after the login that the server asks for and reads up to `END`. */
function ask(server: Memcached, text: string): Promise<string> {
  const { tls, auth } = server.options;
  const to = server.path
    ? { path: server.path }
    : { host: "127.0.0.1", port: server.port };
  return new Promise((resolve, reject) => {
    const socket: Socket = tls
      ? connectTls({ ...to, ca: tls.caCerts, cert: tls.cert, key: tls.key })
      : connect(to);
    let reply = "";
    socket.setEncoding("latin1");
    socket.on("error", reject);
    socket.on("data", (data: string) => {
      reply += data;
      if (reply.endsWith("END\r\n")) socket.end();
    });
    socket.on("close", () => resolve(reply));
    const login = auth ? `${auth.username} ${auth.password}` : "";
    socket.write(
      (auth ? `set a 0 0 ${login.length}\r\n${login}\r\n` : "") + text,
    );
  });
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

for (const transport of TRANSPORTS) {
  test(`startMemcached() serves over ${transport}`, async () => {
    let pid = 0;
    await withMemcached({ transport }, async (server) => {
      pid = server.pid;
      assertEquals(
        await ask(server, "set k 0 0 1\r\nv\r\nget k\r\n"),
        (transport === "auth" ? "STORED\r\n" : "") +
          "STORED\r\nVALUE k 0 1\r\nv\r\nEND\r\n",
      );
      await server.restart();
      assertNotEquals(server.pid, pid);
      assertEquals(alive(pid), false);
      assertEquals((await ask(server, "get k\r\n")).endsWith("END\r\n"), true);
      pid = server.pid;
    });
    assertEquals(alive(pid), false);
  }, needsMemcached);
}

test("startMemcached() freezes, resumes and stops", async () => {
  const server = await startMemcached({ args: ["-I", "2m"] });
  server.pause();
  let answered = false;
  const reply = ask(server, "get k\r\n").finally(() => answered = true);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert(!answered);
  server.resume();
  assertEquals(await reply, "END\r\n");
  server.pause();
  const { port, pid } = server;
  await server.stop();
  assertEquals(alive(pid), false);
  await assertRejects(() => ask(server, "get k\r\n"));
  await server.restart();
  assertEquals(server.port, port);
  await server.kill();
}, needsMemcached);

test("startMemcached() says why memcached did not start", async () => {
  await assertRejects(
    () => startMemcached({ args: ["-I", "x"] }),
    Error,
    "Cannot start memcached: Item max size",
  );
}, needsMemcached);
