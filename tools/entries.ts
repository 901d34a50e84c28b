// Prints the entry points of the package, one per line, as deno.json lists them.
import config from "../deno.json" with { type: "json" };

console.log(Object.values(config.exports).join("\n"));
