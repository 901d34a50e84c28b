import { assertEquals, assertThrows } from "@std/assert";
import { Client, MemcacheUnknownCommandError } from "@x/memcache";
import { type ClusterMember, MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import { rejects, text } from "../conformance/stage.ts";

async function withServer(
  cluster: readonly ClusterMember[] | undefined,
  use: (server: MemcachedServer, ask: () => Promise<string>) => Promise<void>,
): Promise<void> {
  const server = await MemcachedServer.start({ cluster });
  try {
    await use(server, async () => {
      const client = new Client(server.address);
      const options = { endToken: "END\r\n" };
      try {
        return text(await client.rawCommand("config get cluster", options));
      } finally {
        await client.close();
      }
    });
  } finally {
    await server.close();
  }
}

test("MemcachedServer tells its cluster", () =>
  withServer(
    [{ host: "a.cache.example", ip: "10.0.0.1", port: 11211 }, {
      host: "b.cache.example",
      port: 11212,
    }],
    async (server, ask) => {
      const members = "a.cache.example|10.0.0.1|11211 b.cache.example||11212";
      assertEquals(
        await ask(),
        `CONFIG cluster 0 ${members.length + 3}\r\n1\n${members}\n\r\n`,
      );
      server.cluster = [{ host: "c", port: 1 }];
      assertEquals(server.cluster, [{ host: "c", ip: "", port: 1 }]);
      assertEquals(await ask(), "CONFIG cluster 0 7\r\n2\nc||1\n\r\n");
      await server.restart();
      server.cluster = [];
      assertEquals(await ask(), "CONFIG cluster 0 3\r\n3\n\n\r\n");
    },
  ));

test("MemcachedServer without a cluster does not know config", () =>
  withServer(undefined, async (server, ask) => {
    assertEquals(server.cluster, undefined);
    await rejects(ask, MemcacheUnknownCommandError);
    server.cluster = [{ host: "a", port: 11211 }];
    assertEquals((await ask()).split("\r\n")[1], "1\na||11211\n");
    server.cluster = undefined;
    await rejects(ask, MemcacheUnknownCommandError);
  }));

test("MemcachedServer knows no other config", () =>
  withServer([{ host: "a", port: 11211 }], async (server) => {
    const client = new Client(server.address);
    const lines = ["config", "config get", "config get other"];
    for (
      const line of [...lines, "config set cluster", "config get cluster x"]
    ) {
      await rejects(() => client.rawCommand(line), MemcacheUnknownCommandError);
    }
    await client.close();
  }));

test("MemcachedServer refuses members that could not be told", async () => {
  const bad: unknown[] = [
    ...[{ port: 1 }, { host: "", port: 1 }, { host: "a b", port: 1 }],
    ...[{ host: "a|b", port: 1 }, { host: "a\n", port: 1 }],
    ...[{ host: "é", port: 1 }, { host: 5, port: 1 }],
    ...[{ host: "a", ip: "1|2", port: 1 }, { host: "a", ip: 7, port: 1 }],
    ...[{ host: "a" }, { host: "a", port: 0 }, { host: "a", port: 65_536 }],
    { host: "a", port: 1.5 },
  ];
  await withServer([], async (server, ask) => {
    for (const member of bad) {
      // No type would let these through.
      const members = [member] as ClusterMember[];
      assertThrows(
        () => server.cluster = members,
        Error,
        "Cannot use member of cluster",
      );
      await rejects(
        () => MemcachedServer.start({ cluster: members }),
        Error,
      );
    }
    assertEquals(await ask(), "CONFIG cluster 0 3\r\n1\n\n\r\n");
  });
});
