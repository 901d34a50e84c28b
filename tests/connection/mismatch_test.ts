import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotMatch,
} from "@std/assert";
import {
  type Client,
  MemcacheUnexpectedCloseError,
  MemcacheUnknownError,
} from "@x/memcache";
import type { Command } from "../_scripted.ts";
import { test } from "../_runtime.ts";
import { failure, outcomes, type Pair, withPair } from "./_calls.ts";

/** Replies that can be no reply to a command. */
interface Case {
  /** The first word of the line that is answered wrongly, by protocol. */
  readonly line: readonly [meta: string, classic: string];
  /** The call. */
  readonly call: (client: Client) => Promise<unknown>;
  /** What is wrong on either protocol. */
  readonly both: readonly string[];
  /** What is wrong where the server speaks meta. `#` is the call's opaque. */
  readonly meta?: readonly string[];
  /** What is wrong where it does not. */
  readonly classic?: readonly string[];
}

const READ = [
  "STORED\r\n",
  "NOT_STORED\r\n",
  "DELETED\r\n",
  "TOUCHED\r\n",
  "NOT_FOUND\r\n",
  "OK\r\n",
  "5\r\n",
  "MN\r\n",
  "VERSION 1.6.0\r\n",
  "STAT pid 1\r\n",
  "NS\r\n",
  "NF\r\n",
  "EX\r\n",
  "\r\n",
  "\n",
  "HTTP/1.1 400 Bad Request\r\n",
  "end\r\n",
  "END \r\n",
  " END\r\n",
  "ENDS\r\n",
  "\0\0\0\0\r\n",
];

const CASES: Record<string, Case> = {
  "get()": {
    line: ["mg victim", "get victim"],
    call: (client) => client.get("victim"),
    both: READ,
    meta: [
      "END\r\n",
      "VALUE victim 16 6\r\nSECRET\r\nEND\r\n",
      "VA 6 f16 O77777777\r\nSECRET\r\n",
      "VA 6 f16\r\nSECRET\r\n",
      "VA 6\r\nSECRET\r\n",
      "VA 6 f16 Ox#\r\nSECRET\r\n",
      "VA 6 f16 O\r\nSECRET\r\n",
      "VA 5 f16 O#\r\nSECRET\r\n",
      "VA 7 f16 O#\r\nSECRET\r\n",
      "VA 6 f99999999999 O#\r\nSECRET\r\n",
      "VA 6 f-1 O#\r\nSECRET\r\n",
      "VA -6 f16 O#\r\nSECRET\r\n",
      "VA 6e0 f16 O#\r\nSECRET\r\n",
      "VA 0x6 f16 O#\r\nSECRET\r\n",
      "VA  6 f16 O#\r\nSECRET\r\n",
      "VA 6 f16 O#\nSECRET\r\n",
      "VA 6 f16 O#\r\nSECRET\n\n",
      "VA 99999999999 f16 O#\r\nSECRET\r\n",
      "VA 9999999999999999999999 f16 O#\r\nSECRET\r\n",
      "EN O77777777\r\n",
      "EN Osomething\r\n",
      "HD f16 O#\r\n",
      "HD\r\n",
      "va 6 f16 O#\r\nSECRET\r\n",
    ],
    classic: [
      "VALUE other 16 6\r\nSECRET\r\nEND\r\n",
      "VALUE victi 16 6\r\nSECRET\r\nEND\r\n",
      "VALUE victims 16 6\r\nSECRET\r\nEND\r\n",
      "VALUE Victim 16 6\r\nSECRET\r\nEND\r\n",
      "VALUE  16 6\r\nSECRET\r\nEND\r\n",
      "VALUE victim 16 5\r\nSECRET\r\nEND\r\n",
      "VALUE victim 16 7\r\nSECRET\r\nEND\r\n",
      "VALUE victim 16 -6\r\nSECRET\r\nEND\r\n",
      "VALUE victim 16 6.0\r\nSECRET\r\nEND\r\n",
      "VALUE victim 16 0x6\r\nSECRET\r\nEND\r\n",
      "VALUE victim -1 6\r\nSECRET\r\nEND\r\n",
      "VALUE victim 4294967296 6\r\nSECRET\r\nEND\r\n",
      "VALUE victim 16\r\nSECRET\r\nEND\r\n",
      "VALUE victim\r\nSECRET\r\nEND\r\n",
      "VALUE victim 16 6 x\r\nSECRET\r\nEND\r\n",
      "VALUE victim 16 99999999999\r\nSECRET\r\nEND\r\n",
      "VA 6 f16 O1\r\nSECRET\r\n",
      "EN\r\n",
      "HD\r\n",
    ],
  },
  "gets()": {
    line: ["mg victim", "gets victim"],
    call: (client) => client.gets("victim"),
    both: READ,
    meta: [
      "VA 6 f16 O#\r\nSECRET\r\n",
      "VA 6 f16 O# kc5\r\nSECRET\r\n",
      "VA 6 c5 f16 O77777777\r\nSECRET\r\n",
      "VA 6 c-5 f16 O#\r\nSECRET\r\n",
      "VA 6 c99999999999999999999999 f16 O#\r\nSECRET\r\n",
      "VA 6 c18446744073709551616 f16 O#\r\nSECRET\r\n",
    ],
    classic: [
      "VALUE victim 16 6\r\nSECRET\r\nEND\r\n",
      "VALUE other 16 6 5\r\nSECRET\r\nEND\r\n",
      "VALUE victim 16 6 -5\r\nSECRET\r\nEND\r\n",
      "VALUE victim 16 6 18446744073709551616\r\nSECRET\r\nEND\r\n",
    ],
  },
  "has()": {
    line: ["mg victim", "get victim"],
    call: (client) => client.has("victim"),
    both: READ,
    meta: ["HD O77777777\r\n", "HD\r\n", "VA 6 O#\r\nSECRET\r\n"],
    classic: ["VALUE other 16 6\r\nSECRET\r\nEND\r\n"],
  },
  "getMany()": {
    line: ["get victim one", "get victim one"],
    call: (client) => client.getMany(["victim", "one"]),
    both: [
      ...READ,
      "VALUE other 16 6\r\nSECRET\r\nEND\r\n",
      "VALUE victim 16 1\r\nv\r\nVALUE victim 16 1\r\nv\r\nEND\r\n",
      "VALUE victim 16 1\r\nv\r\nVALUE other 16 6\r\nSECRET\r\nEND\r\n",
      "VALUE victim 16 1\r\nv\r\nSTORED\r\n",
      "VA 6 f16 O1\r\nSECRET\r\n",
      "EN\r\n",
    ],
  },
  "getsMany()": {
    line: ["gets victim one", "gets victim one"],
    call: (client) => client.getsMany(["victim", "one"]),
    both: [
      "VALUE victim 16 6\r\nSECRET\r\nEND\r\n",
      "VALUE other 16 6 1\r\nSECRET\r\nEND\r\n",
      "VALUE victim 16 6 1\r\nSECRET\r\nVALUE one 16 1\r\nx\r\nEND\r\n",
    ],
  },
  "set()": {
    line: ["set victim", "set victim"],
    call: (client) => client.set("victim", "SECRET"),
    both: [
      "END\r\n",
      "HD\r\n",
      "NS\r\n",
      "MN\r\n",
      "OK\r\n",
      "DELETED\r\n",
      "EXISTS\r\n",
      "NOT_FOUND\r\n",
      "TOUCHED\r\n",
      "1\r\n",
      "STORED \r\n",
      "STORED\n",
      "stored\r\n",
      "VALUE victim 16 6\r\nSECRET\r\nEND\r\n",
    ],
  },
  "cas()": {
    line: ["cas victim", "cas victim"],
    call: (client) => client.cas("victim", "SECRET", 5n),
    both: ["END\r\n", "NOT_STORED\r\n", "OK\r\n", "DELETED\r\n", "5\r\n"],
  },
  "delete()": {
    line: ["delete victim", "delete victim"],
    call: (client) => client.delete("victim"),
    both: ["END\r\n", "STORED\r\n", "OK\r\n", "TOUCHED\r\n", "EXISTS\r\n"],
  },
  "touch()": {
    line: ["touch victim", "touch victim"],
    call: (client) => client.touch("victim", 9),
    both: ["END\r\n", "STORED\r\n", "OK\r\n", "DELETED\r\n", "9\r\n"],
  },
  "incr()": {
    line: ["incr victim", "incr victim"],
    call: (client) => client.incr("victim", 2n),
    both: [
      "END\r\n",
      "STORED\r\n",
      "OK\r\n",
      "-1\r\n",
      "1.5\r\n",
      "1e3\r\n",
      "0x10\r\n",
      "NaN\r\n",
      " 1\r\n",
      "1x\r\n",
      "18446744073709551616\r\n",
      "99999999999999999999999999\r\n",
    ],
  },
  "version()": {
    line: ["version", "version"],
    call: (client) => client.version(),
    both: ["END\r\n", "OK\r\n", "STORED\r\n", "VERSION\r\n", "1.6.0\r\n"],
  },
  "flushAll()": {
    line: ["flush_all", "flush_all"],
    call: (client) => client.flushAll(),
    both: ["END\r\n", "STORED\r\n", "DELETED\r\n", "OKAY\r\n"],
  },
  "stats()": {
    line: ["stats", "stats"],
    call: (client) => client.stats(),
    both: [
      "STORED\r\n",
      "VALUE victim 16 6\r\nSECRET\r\nEND\r\n",
      "STAT pid 1\r\nSTORED\r\n",
      "STAT pid 1\r\nSTATpid 2\r\nEND\r\n",
    ],
  },
};

async function judge(
  pair: Pair,
  name: string,
  { call, line }: Case,
  bad: string,
  meta: boolean,
): Promise<void> {
  const { server, client } = pair;
  const about = `${name} answered by ${JSON.stringify(bad)}`;
  for (const key of ["before", "after"]) {
    server.items.set(key, { flags: "16", data: `v${key}`, cas: 1 });
  }
  await client.get("before");
  const first = server.last;
  server.script = (command: Command, peer) => {
    if (!command.line.startsWith(line[meta ? 0 : 1])) peer.answer(command);
    else {
      const opaque = command.args.find((arg) => /^O\d/.test(arg))?.slice(1);
      peer.send(bad.replace("#", opaque ?? "#"));
    }
    return undefined;
  };
  const [before, victim, after] = await outcomes([
    client.getMany(["before"]),
    call(client),
    client.getMany(["after"]),
  ]);
  assertEquals(before.value, new Map([["before", "vbefore"]]), about);
  assertInstanceOf(victim.error, MemcacheUnknownError, about);
  assertEquals(victim.error.code, "ERR_UNKNOWN_REPLY", about);
  assertEquals(victim.error.sent, true, about);
  assertNotMatch(victim.error.message, /SECRET|victim/, about);
  assertInstanceOf(after.error, MemcacheUnexpectedCloseError, about);
  assertEquals(after.error.sent, true, about);
  assertNotMatch(after.error.message, /SECRET|victim/, about);
  // What is left of the old connection meets no new one.
  assertEquals(await client.get("after"), "vafter", about);
  await server.until(() => first.closed);
  assertEquals(server.last === first, false, about);
}

for (const [name, one] of Object.entries(CASES)) {
  test(`Client ${name} drops the connection on a reply that cannot be its own`, async () => {
    for (const meta of [true, false]) {
      const protocol = meta ? "auto" : "classic";
      const bads = [...one.both, ...(meta ? one.meta : one.classic) ?? []];
      for (const bad of bads) {
        await withPair({}, { protocol }, (pair) => {
          return judge(pair, name, one, bad, meta);
        });
      }
    }
  });
}

const UNASKED = {
  "a whole reply": "VALUE next 16 6\r\nSECRET\r\nEND\r\n",
  "a reply with a likely opaque": "VA 6 f16 O1\r\nSECRET\r\n",
  "the begin of a value": "VALUE next 16 20\r\nSECRET",
  "a header that swallows the next one": "VALUE next 16 13\r\n",
  "one byte": "V",
  "a word": "STORED\r\n",
  "an error line": "SERVER_ERROR out of memory\r\n",
  "an empty line": "\r\n",
};

for (const protocol of ["auto", "classic"] as const) {
  for (const [what, bytes] of Object.entries(UNASKED)) {
    test(`Client drops a connection on which unasked came ${what} (${protocol})`, async () => {
      await withPair({}, { protocol }, async ({ server, client, errors }) => {
        await client.set("next", "mine");
        const first = server.last;
        first.send(bytes);
        // The client closes it: nothing else makes the server's side end.
        await server.until(() => first.closed || first.ended);
        assertEquals(await client.get("next"), "mine");
        assertEquals(server.peers.length, 2);
        assertEquals(errors, []);
      });
    });
  }

  test(`Client keeps a result that unasked bytes follow (${protocol})`, async () => {
    for (const bytes of Object.values(UNASKED)) {
      await withPair({}, { protocol }, async ({ server, client }) => {
        await client.set("next", "mine");
        await client.set("key", "value");
        const first = server.last;
        server.script = (command, peer) => {
          const more = command.line.includes("key") ? bytes : "";
          peer.send(peer.reply(command) + more);
          return undefined;
        };
        assertEquals(await client.get("key"), "value");
        assertEquals(await client.get("next"), "mine");
        await server.until(() => first.closed);
        const [read, next] = await outcomes([
          client.set("key", "value2"),
          client.gets("next"),
        ]);
        assertEquals(read.value, true);
        // The bytes stand where its reply should: it fails, or gets its own.
        if (next.error === undefined) {
          assertEquals(next.value, { value: "mine", cas: 1n });
        }
      });
    }
  });
}

test("Client gets no value of a line that pretends to be two replies", async () => {
  // A value may hold what looks like replies: its length is what counts.
  const value = "x\r\nEND\r\nVALUE other 16 1\r\ny\r\nEND\r\n";
  for (const protocol of ["auto", "classic"] as const) {
    await withPair({}, { protocol }, async ({ client }) => {
      await client.set("key", value);
      const got = await Promise.all(
        ["key", "other", "key", "none"].map((key) => client.get(key)),
      );
      assertEquals(got, [value, undefined, value, undefined]);
    });
  }
});

test("Client drops a connection whose server answers each command twice", async () => {
  for (const protocol of ["auto", "classic"] as const) {
    await withPair(
      {
        command: (command, peer) =>
          peer.reply(command).repeat(command.name === "mn" ? 1 : 2),
      },
      { protocol },
      async ({ server, client }) => {
        for (let i = 0; i < 20; i++) {
          server.items.set(`k${i}`, { flags: "16", data: `v${i}`, cas: 1 });
        }
        let hits = 0;
        for (let round = 0; round < 5; round++) {
          const calls = Array.from(
            { length: 20 },
            (_, i) => client.get(`k${i}`),
          );
          const results = await outcomes(calls);
          results.forEach(({ value, error }, i) => {
            if (error !== undefined) return;
            assertEquals(value, `v${i}`);
            hits++;
          });
        }
        assert(hits > 0, "Expected a first reply to be taken");
      },
    );
  }
});

const WORDS = {
  "STORED\r\n": 'a line that begins with "STORED"',
  "VERSION SECRET\r\n": 'a line that begins with "VERSION"',
  "VALUE SECRET 16 1\r\nx\r\n": 'a line that begins with "VALUE"',
  "SECRET\r\n": "a line that is no reply to it",
  "12345\r\n": "a line that is no reply to it",
  "VALUE a 16 1\r\nSECRET\r\nEND\r\n": "a value longer than its header says",
  "VALUE a 16 99999999999\r\n":
    "value of 99999999999 bytes, at most 134217728 are allowed (maxValueSize)",
};

test("MemcacheUnknownError says what cannot be read, and nothing that may be a value", async () => {
  for (const [reply, words] of Object.entries(WORDS)) {
    await withPair(
      {
        command: () => reply,
      },
      { protocol: "classic" },
      async ({ client }) => {
        const error = await failure(client.get("a"));
        assertEquals(error.message, `Cannot read the reply to get: ${words}`);
      },
    );
  }
});

const CUT = "VALUE a 16 3\r\nabc\r\nSECRET\r\nEND\r\n";
const CUT_CALLS: Record<string, (client: Client) => Promise<unknown>> = {
  "get()": (client) => client.get("a"),
  "get(), joined": (client) =>
    Promise.all([client.get("none"), client.get("a")]),
  "gat()": (client) => client.gat("a", 9),
  "getMany()": (client) => client.getMany(["a", "b"]),
};

for (const [name, call] of Object.entries(CUT_CALLS)) {
  test(`Client ${name} gives no value whose header cut it short`, async () => {
    // What the header calls "abc" was "abc\r\nSECRET": the rest shows it.
    for (const whole of [true, false]) {
      await withPair(
        {
          command: (_, peer) => {
            if (whole) return CUT;
            peer.send(CUT.slice(0, 20));
            setTimeout(() => peer.send(CUT.slice(20)), 5);
            return undefined;
          },
        },
        { protocol: "classic" },
        async ({ client }) => {
          const error = await failure(call(client));
          assertInstanceOf(error, MemcacheUnknownError);
          assertNotMatch(error.message, /SECRET/);
        },
      );
    }
  });
}

test("Client getMany() with errorsAsMisses keeps what had arrived whole", async () => {
  await withPair(
    {
      command: () => "VALUE b 16 3\r\nall\r\n" + CUT,
    },
    { protocol: "classic", errorsAsMisses: true },
    async ({ client }) => {
      assertEquals(
        await client.getMany(["b", "a"]),
        new Map([["b", "all"]]),
      );
    },
  );
});
