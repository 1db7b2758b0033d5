// Validates an AsyncAPI document with the format's own parser; prints diagnostics as JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [, , documentPath, modulesPath] = process.argv;
const require = createRequire(`${modulesPath}/`);
const { Parser } = require("@asyncapi/parser");

const { document, diagnostics } = await new Parser().parse(readFileSync(documentPath, "utf8"));
const found = diagnostics.map(({ code, message, path, severity }) => ({
  code,
  message,
  path: path.join("/"),
  severity,
}));
console.log(
  JSON.stringify({
    parsed: document !== undefined,
    diagnostics: found,
    channels: document?.channels().all().length ?? 0,
    messages: document?.components().messages().all().length ?? 0,
    operations: document?.operations().all().length ?? 0,
  }),
);
