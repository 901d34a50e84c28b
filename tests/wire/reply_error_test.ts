import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  type ErrorClass,
  MemcacheAuthError,
  MemcacheClientError,
  MemcacheConnectionError,
  MemcacheNonNumericError,
  MemcacheServerError,
  MemcacheUnknownCommandError,
  MemcacheUnknownError,
} from "../../src/errors.ts";
import { wordKind } from "../../src/wire/reply.ts";
import { lineError, lineText, replyError } from "../../src/wire/reply_error.ts";
import { test } from "../_runtime.ts";
import { bytes } from "../_vectors.ts";

/** What a server says, and what we make of it; `LINE` is the line as it is. */
const CASES: ReadonlyArray<
  readonly [line: string, type: ErrorClass, code: string, message: string]
> = [
  [
    "ERROR",
    MemcacheUnknownCommandError,
    "ERR_UNKNOWN_COMMAND",
    "Cannot run command: the server does not know it",
  ],
  ...[
    "ERROR: shutdown not enabled",
    "ERROR failed to start lru crawler thread",
    "ERROR too many open connections",
  ].map((line): [string, ErrorClass, string, string] => [
    line,
    MemcacheUnknownCommandError,
    "ERR_UNKNOWN_COMMAND",
    `Cannot run command: the server answered "${line}"`,
  ]),
  [
    "ERROR Too many open connections",
    MemcacheConnectionError,
    "ERR_TOO_MANY_CONNECTIONS",
    "Cannot use the connection: the server has too many open connections (its limit is the option -c)",
  ],
  [
    "CLIENT_ERROR unauthenticated",
    MemcacheAuthError,
    "ERR_AUTH",
    "Cannot run command: the server wants authentication, see the option auth",
  ],
  [
    "CLIENT_ERROR authentication failure",
    MemcacheAuthError,
    "ERR_AUTH",
    "Cannot authenticate: the server refused the user name or the password",
  ],
  [
    "CLIENT_ERROR cannot increment or decrement non-numeric value",
    MemcacheNonNumericError,
    "ERR_NON_NUMERIC",
    "Cannot count: the stored value is no unsigned 64-bit number",
  ],
  ...[
    "CLIENT_ERROR",
    "CLIENT_ERROR bad command line format",
    "CLIENT_ERROR bad data chunk",
    "CLIENT_ERROR invalid numeric delta argument",
    "CLIENT_ERROR options flags are too long",
  ].map((line): [string, ErrorClass, string, string] => [
    line,
    MemcacheClientError,
    "ERR_CLIENT",
    `Cannot run command: the server answered "${line}"`,
  ]),
  ...[
    ["SERVER_ERROR", "ERR_SERVER"],
    ["SERVER_ERROR out of memory reading request", "ERR_SERVER"],
    ["SERVER_ERROR backend timeout", "ERR_SERVER"],
    ["SERVER_ERROR object too large for cache", "ERR_VALUE_REFUSED"],
    ["SERVER_ERROR out of memory storing object", "ERR_VALUE_REFUSED"],
  ].map(([line, code]): [string, ErrorClass, string, string] => [
    line,
    MemcacheServerError,
    code,
    `Cannot run command: the server answered "${line}"`,
  ]),
];

test("replyError() gives every error line its class and its code", () => {
  const about = { server: "h:1", command: "get", key: "secret", sent: true };
  for (const [line, type, code, message] of CASES) {
    const kind = wordKind(bytes(line), 0, line.length);
    const error = replyError(kind, line, about);
    assertStrictEquals(error.constructor, type, line);
    assertEquals([error.code, error.message], [code, message]);
    const { server, command, key, sent } = error;
    assertEquals({ server, command, key, sent }, about);
    assert(!error.message.endsWith("."));
    assert(!error.message.includes("secret"));
  }
});

test("replyError() leaves out what is not known", () => {
  for (const [line] of CASES) {
    const kind = wordKind(bytes(line), 0, line.length);
    const error = replyError(kind, line, {});
    for (const field of ["server", "command", "key", "sent", "cause"]) {
      assertEquals(field in error, false, `${line}: ${field}`);
    }
  }
});

test("lineText() shows a line, and nothing that could harm a terminal", () => {
  const shown: ReadonlyArray<readonly [line: string, text: string]> = [
    ["", ""],
    ["ERROR a ~", "ERROR a ~"],
    ["a\x1b[31m\0\r\n\x7f\x80\xff", "a?[31m??????"],
    ["x".repeat(200), "x".repeat(200)],
    ["x".repeat(201), `${"x".repeat(200)}…`],
    ["x".repeat(60_000), `${"x".repeat(200)}…`],
  ];
  for (const [line, text] of shown) {
    const around = bytes(`<<${line}>>`);
    assertEquals(lineText(around, 2, 2 + line.length), text);
  }
});

test("lineError() makes the same errors of lines that are text", () => {
  const about = { server: "a:1", command: "watch", sent: true };
  for (const [line, type, code, message] of CASES) {
    const error = lineError(line, about);
    assertStrictEquals(error.constructor, type, line);
    assertEquals(
      [error.code, error.message, error.server, error.command, error.sent],
      [code, message.replace("LINE", line), "a:1", "watch", true],
    );
  }
});

test("lineError() shows a line that is none of the protocol's", () => {
  const error = lineError(`hello\0\x7fé${"x".repeat(500)}`, {
    command: "watch",
  });
  assert(error instanceof MemcacheUnknownError);
  assertEquals(
    error.message,
    `Cannot read the reply to watch: "hello???${
      "x".repeat(192)
    }…" is no line of it`,
  );
});
