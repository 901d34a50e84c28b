/**
 * Deliberate differences in what a server's address may be.
 *
 * @module
 */
import type { Difference } from "./_differences.ts";

/** The addresses of an entry: the name that we give them, or none. */
type Names = Readonly<Record<string, string | undefined>>;

function refusals(...specs: string[]): Names {
  return Object.fromEntries(specs.map((spec) => [spec, undefined]));
}

/** An entry; addresses that are not text are written `type JSON`. */
function addresses(name: string, why: string, names: Names): Difference {
  const byId = new Map(
    Object.entries(names).map(([spec, ours]) => [
      /^(?:tuple|list|dict) /.test(spec) ? spec : `str ${JSON.stringify(spec)}`,
      ours,
    ]),
  );
  return {
    name,
    why,
    clients: ["parseServer"],
    change: (_step, { id }) => {
      if (!byId.has(id)) return undefined;
      const ours = byId.get(id);
      return {
        outcome: ours === undefined
          ? "!MemcacheIllegalInputError"
          : JSON.stringify(ours),
      };
    },
  };
}

/** Entries about addresses. */
export const ADDRESS_DIFFERENCES: readonly Difference[] = [
  addresses(
    "an IPv6 address may do without brackets",
    "pymemcache takes what is behind its last colon for a port",
    {
      "::1": "::1:11211",
      "::": ":::11211",
      "2001:db8::7": "2001:db8::7:11211",
      "::ffff:10.0.0.1": "::ffff:10.0.0.1:11211",
    },
  ),
  addresses(
    "more than one colon is an IPv6 address",
    "pymemcache makes a host of what is before the last one",
    refusals(
      "localhost:11211:3",
      "cache.example.com:11212:4",
      "cache.example.com:11212:0",
      "localhost:11212,cache.example.com:11213",
      ":::11211",
      "2001:db8::7:11212",
      "inet:localhost:11212",
      "inet6:[::1]:11212",
    ),
  ),
  addresses(
    "brackets are for IPv6, and come in pairs",
    "pymemcache takes them off, wherever they are",
    refusals(
      "[::1",
      "::1]",
      "[::1]x:11211",
      "[[::1]]",
      "[]",
      "[]:11211",
      "[localhost]",
      "[10.1.2.3]:11212",
    ),
  ),
  addresses(
    "a port is a number from 1 to 65535, by ASCII digits",
    "pymemcache takes what Python's int() takes",
    refusals(
      "localhost:0",
      "localhost:65536",
      "localhost:-1",
      "localhost:+11211",
      "localhost:1_1211",
      "localhost:١",
    ),
  ),
  addresses(
    "blanks and controls are in no address",
    "pymemcache looks for a host of that name",
    refusals(
      "localhost: 11211",
      "localhost:11211 ",
      " localhost",
      "localhost ",
      " ",
      "localhost, cache.example.com",
      "localhost\n",
      "localhost:11211\n",
      "localhost\u0000",
    ),
  ),
  addresses(
    "an address has a host or a path, of at most 300 characters",
    "pymemcache fails when it connects",
    refusals("", ":11211", "unix:", `${"x".repeat(300)}:1`),
  ),
  addresses(
    "one address is one server, and its host a host's name",
    "pymemcache looks for a host with a comma, an at sign or a slash in it",
    refusals(
      "localhost,cache.example.com",
      "localhost,",
      ",localhost",
      ",",
      "localhost;cache.example.com",
      "bob:secret@localhost:11212",
      "bob@localhost",
      "bob:secret@localhost:11212,cache.example.com:11212",
      "a@b@localhost:11212",
      "@abstract",
      "./m.sock",
    ),
  ),
  addresses(
    "schemes are known",
    "pymemcache knows unix: only, in small letters and with one slash",
    {
      "memcached://localhost/": "localhost:11211",
      "memcached://localhost:11212/": "localhost:11212",
      "memcached://localhost": "localhost:11211",
      "memcached://localhost:11212": "localhost:11212",
      "memcached://[::1]:11212/": "::1:11212",
      "memcached://[::1]/": "::1:11211",
      "memcached://bob:secret@localhost:11212/": "localhost:11212",
      "memcache://localhost:11212/": "localhost:11212",
      "MEMCACHED://localhost/": "localhost:11211",
      "UNIX:/run/mc/m.sock": "/run/mc/m.sock",
      "unix:///run/mc/m.sock": "/run/mc/m.sock",
      "tcp://localhost:11212": undefined,
    },
  ),
  addresses(
    "a pair is a host and a port number",
    "pymemcache passes tuples on as they are, and takes no lists",
    {
      'list ["localhost",11212]': "localhost:11212",
      'tuple ["localhost"]': undefined,
      'tuple ["localhost","11212"]': undefined,
      'tuple ["localhost",11212,3]': undefined,
      'tuple ["localhost",null]': undefined,
      "tuple []": undefined,
      'tuple ["",0]': undefined,
      'tuple ["/run/mc/m.sock",0]': undefined,
    },
  ),
  addresses(
    "an object names its parts",
    "it is how weights and TLS are given; pymemcache takes none",
    { 'dict {"host":"localhost"}': "localhost:11211" },
  ),
];
