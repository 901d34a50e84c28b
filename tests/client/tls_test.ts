/**
 * A client and servers that are not who they say: nothing is sent to them. This
 * file is also the program for which the system trusts an authority of ours.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createServer, type TLSSocket } from "node:tls";
import {
  Client,
  type ClientOptions,
  MemcacheConnectionError,
  type TlsOptions,
} from "@x/memcache";
import {
  CA,
  EXPIRED_CERT,
  EXPIRED_KEY,
  OTHER_CA,
  SELF_SIGNED_CERT,
  SELF_SIGNED_KEY,
  SERVER_CERT,
  SERVER_KEY,
  WRONG_HOST_CERT,
  WRONG_HOST_KEY,
} from "../_certs.ts";
import { test } from "../_runtime.ts";
import { assertSecret } from "../_secrets.ts";
import { play, played } from "../connection/_child.ts";
import { CommandReader, latin1 } from "../fuzz/_commands.ts";
import { World } from "../fuzz/_world.ts";

const PASSWORD = "correct-horse";
const auth = { username: "ada", password: PASSWORD };

interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A memcached over TLS that writes down what it is sent. */
async function serve(certificate: Certificate) {
  const heard: string[] = [];
  const sockets = new Set<Socket>();
  const world = new World(true, true);
  const server = createServer(certificate, (socket: TLSSocket) => {
    const reader = new CommandReader();
    socket.on("error", () => {});
    socket.on("data", (bytes: Uint8Array) => {
      heard.push(latin1(bytes));
      for (const command of reader.feed(latin1(bytes))) {
        socket.write(world.answer(command), "latin1");
      }
    });
  });
  server.on("tlsClientError", () => {});
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    heard,
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

const good = { cert: SERVER_CERT, key: SERVER_KEY };
const selfSigned = { cert: SELF_SIGNED_CERT, key: SELF_SIGNED_KEY };
const expired = { cert: EXPIRED_CERT, key: EXPIRED_KEY };
const wrongHost = { cert: WRONG_HOST_CERT, key: WRONG_HOST_KEY };
const trusted: TlsOptions = { caCerts: [CA] };

/** What is wrong, what the server shows, and what the client trusts. */
const REFUSED: ReadonlyArray<
  readonly [string, Certificate, boolean | TlsOptions]
> = [
  ["a self-signed certificate", selfSigned, true],
  ["a self-signed certificate beside its authority", selfSigned, trusted],
  ["a certificate of another host", wrongHost, trusted],
  ["an expired certificate", expired, trusted],
  ["an authority that the system does not know", good, true],
  ["an authority that is not the given one", good, { caCerts: [OTHER_CA] }],
  ["another serverName", good, { ...trusted, serverName: "example.invalid" }],
];

async function ends(client: Client): Promise<unknown[]> {
  const results = await Promise.allSettled([
    client.get("a"),
    client.set("a", "secret value"),
    client.getMany(["a", "b"]),
    client.set("a", "v", { noreply: true }),
    client.version(),
  ]);
  return results.map((end) =>
    end.status === "rejected" ? end.reason : end.value
  );
}

const ROLES = {
  /** Asks a server, trusting the system, and then another authority alone. */
  async ask(address: string) {
    const ends: string[] = [];
    for (const tls of [true, { caCerts: [OTHER_CA] }]) {
      const client = new Client(address, { tls, connectTimeout: 5000 });
      ends.push(
        await client.version().then(() => "a version", (error) => error.code),
      );
      await client.close();
    }
    return ends;
  },
};

if (!await played(ROLES)) {
  for (const [what, certificate, tls] of REFUSED) {
    test(`Client sends nothing to a server with ${what}`, async () => {
      const server = await serve(certificate);
      for (const protocol of ["auto", "classic", "meta"] as const) {
        for (const login of [auth, undefined]) {
          const errors: unknown[] = [];
          const options: ClientOptions = {
            ...{
              protocol,
              tls,
              auth: login,
              connectTimeout: 5000,
              timeout: 5000,
            },
            onError: (error) => void errors.push(error),
          };
          const client = new Client(`localhost:${server.port}`, options);
          const failed = await ends(client);
          for (const error of failed) {
            assertInstanceOf(error, MemcacheConnectionError, `${error}`);
            assertEquals(error.sent, false);
            assert(error.message.includes(`localhost:${server.port}`));
          }
          assert(failed.some((error) => (error as Error).cause !== undefined));
          assertSecret([client, ...failed, ...errors], [
            PASSWORD,
            "secret value",
          ]);
          await client.close();
        }
      }
      assertEquals(server.heard, []);
      await server.close();
    }, { timeout: 30_000 });
  }

  test(
    "Client sends what it is asked to where the certificate is right",
    async () => {
      const server = await serve(good);
      for (
        const tls of [trusted, { caCerts: [OTHER_CA, CA] }, {
          insecureSkipVerify: true,
        }]
      ) {
        const client = new Client(`localhost:${server.port}`, { tls });
        assertEquals(await client.set("a", "v"), true);
        assertEquals(await client.get("a"), "v");
        await client.close();
      }
      assert(server.heard.join("").includes("set a "));
      const known = server.heard.length;
      // The same by the address, and nothing of it without a trusted authority.
      const client = new Client(`memcacheds://ada:x@localhost:${server.port}`, {
        connectTimeout: 5000,
      });
      const [error] = await ends(client);
      assertInstanceOf(error, MemcacheConnectionError);
      await client.close();
      assertEquals(server.heard.length, known);
      await server.close();
    },
    { timeout: 30_000 },
  );

  test(
    "Client trusts no authority of the system's beside those that it is given",
    async () => {
      const server = await serve(good);
      const folder = mkdtempSync(join(tmpdir(), "memcache-"));
      const file = join(folder, "ca.pem");
      writeFileSync(file, CA);
      // How an authority is put beside the system's: for Deno, for Node and Bun.
      const names = ["DENO_CERT", "NODE_EXTRA_CA_CERTS"];
      for (const name of names) process.env[name] = file;
      try {
        const { output } = await play(import.meta.url, {
          role: "ask",
          address: `localhost:${server.port}`,
        });
        assertEquals(JSON.parse(output), ["a version", "ERR_CONNECTION"]);
      } finally {
        for (const name of names) delete process.env[name];
        rmSync(folder, { recursive: true });
        await server.close();
      }
    },
    { timeout: 30_000 },
  );
}
