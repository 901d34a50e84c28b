import { assertEquals, assertRejects } from "@std/assert";
import { Client, MemcacheServerError, MemcacheUnknownError } from "@x/memcache";
import { test } from "../../_runtime.ts";
import { withServer } from "../../_scripted.ts";

const ERROR = "SERVER_ERROR out of memory writing get response\r\n";

const READS: Record<string, (client: Client) => Promise<unknown>> = {
  get: (client) => client.get("k"),
  gets: (client) => client.gets("k"),
  gat: (client) => client.gat("k", 1),
  gats: (client) => client.gats("k", 1),
  getItem: (client) => client.getItem("k"),
  getMany: (client) => client.getMany(["k", "l"]),
  getsMany: (client) => client.getsMany(["k", "l"]),
};

for (const [name, read] of Object.entries(READS)) {
  test(`${name}() tells of an error that comes behind a value`, async () => {
    await withServer({
      command: (command, peer) => {
        if (peer.number > 0) return peer.reply(command);
        return `VALUE k 0 1 7\r\nv\r\n${ERROR}`;
      },
    }, async (server) => {
      const client = new Client(server.address, { protocol: "classic" });
      await assertRejects(
        () => read(client),
        MemcacheServerError,
        "out of memory writing get response",
      );
      // It may be the rest of a value that was cut: nobody waits for more.
      assertEquals(await client.get("k"), undefined);
      assertEquals(server.peers.length, 2);
      await client.close();
    });
  });
}

test("get() takes no value without the flags that it asked for", async () => {
  let strip = false;
  await withServer({
    command: (command, peer) => {
      const reply = peer.reply(command);
      if (!strip || command.name !== "mg") return reply;
      strip = false;
      return reply?.replace(" f16", " x16");
    },
  }, async (server) => {
    server.items.set("k", { flags: "16", data: "v", cas: 1 });
    const client = new Client(server.address);
    assertEquals(await client.get("k"), "v");
    strip = true;
    await assertRejects(() => client.get("k"), MemcacheUnknownError);
    assertEquals(await client.get("k"), "v");
    assertEquals(server.peers.length, 2);
    await client.close();
  });
});
