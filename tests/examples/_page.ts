/**
 * Follows the page of an example: makes the requests of its `curl` lines, and
 * compares what comes with what the page says.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ROOT } from "../package/_programs.ts";
import type { Program } from "./_example.ts";

/** A `curl` line, and what is below it. */
interface Step {
  readonly args: readonly string[];
  readonly expected: string;
}

/** Reads the `curl` lines of a page. */
async function readSteps(name: string): Promise<Step[]> {
  const page = await Deno.readTextFile(`${ROOT}/examples/${name}/README.md`);
  const blocks = [...page.matchAll(/^```console\n([\s\S]*?)^```$/gm)];
  const steps = blocks.flatMap(([, text]) => text.split(/^\$ /m).slice(1));
  assert(steps.length > 3, name);
  return steps.map((step) => {
    const [line, ...expected] = step.trim().split("\n");
    const words = [...line.matchAll(/'([^']*)'|(\S+)/g)];
    const [program, ...args] = words.map(([, quoted, bare]) => quoted ?? bare);
    assertEquals(program, "curl");
    return { args, expected: expected.join("\n") };
  });
}

/** A request, as `curl` would make it. */
interface Request {
  path: string;
  method: string | undefined;
  body: string | undefined;
  headers: Record<string, string>;
  /** Whether the head of the answer is printed. */
  isWhole: boolean;
  /** Whether cookies are kept. */
  hasJar: boolean;
}

function readRequest(args: readonly string[]): Request {
  const request: Request = {
    path: "",
    method: undefined,
    body: undefined,
    headers: {},
    isWhole: false,
    hasJar: false,
  };
  const rest = [...args];
  for (let arg; (arg = rest.shift()) !== undefined;) {
    const [, path] = /^localhost:\d+(\/.*)$/.exec(arg) ?? [];
    if (path !== undefined) request.path = path;
    else if (arg === "-i") request.isWhole = true;
    else if (arg === "-X") request.method = rest.shift();
    else if (arg === "-d") request.body = rest.shift();
    else if (arg === "-b" || arg === "-c") request.hasJar = rest.shift() !== "";
    else if (arg === "-H") {
      const [name, value] = rest.shift()?.split(": ") ?? [];
      request.headers[name] = value;
    } else assert(false, `curl ${arg}`);
  }
  return request;
}

/** A line of a head, without what is another one each time. */
function masked(line: string): string {
  const [, name, value] = /^([\w-]+): (.*)$/.exec(line) ?? [];
  if (name === undefined) return line;
  if (name.toLowerCase() === "date") return "date";
  return `${name.toLowerCase()}: ${value.replace(/\d+/g, "N")}`;
}

/** What `curl` says that it sends with `-d`. */
const FORM = "application/x-www-form-urlencoded";

/** Follows the page of an example. */
export async function followPage(
  name: string,
  program: Program,
): Promise<void> {
  let cookie = "";
  for (const { args, expected } of await readSteps(name)) {
    const { path, body, isWhole, hasJar, ...rest } = readRequest(args);
    const headers = new Headers(rest.headers);
    if (hasJar && cookie !== "") headers.set("cookie", cookie);
    if (body !== undefined) headers.set("content-type", FORM);
    const method = rest.method ?? (body === undefined ? "GET" : "POST");
    const init = body === undefined ? {} : { body };
    const response = await fetch(program.url + path, {
      method,
      headers,
      ...init,
    });
    const [set] = response.headers.getSetCookie();
    if (hasJar && set !== undefined) cookie = set.split(";")[0];
    const text = await response.text();
    const line = `curl ${args.join(" ")}`;
    if (!isWhole) {
      assertEquals(text, expected, line);
      continue;
    }
    const [head, shown] = expected.split("\n\n");
    const [status, ...lines] = head.split("\n");
    assertEquals(
      `HTTP/1.1 ${response.status} ${response.statusText}`,
      status,
      line,
    );
    const got = [...response.headers].map(([name, value]) =>
      masked(`${name}: ${value}`)
    );
    assertEquals(got.sort(), lines.map(masked).sort(), line);
    assertEquals(text, shown, line);
  }
}
