// The API's own description, for people to read.

const byId = (id) => document.getElementById(id);

function element(name, text, ...children) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

/** What a value may be, in a few words. */
function kind(schema, document) {
  if (schema.$ref) {
    return kind(resolve(schema, document), document);
  }
  const parts = schema.anyOf?.map((part) => kind(part, document)).filter((part) => part !== "null");
  if (parts) {
    return [...new Set(parts)].join(" or ");
  }
  if (schema.enum || "const" in schema) {
    const values = (schema.enum ?? [schema.const]).filter((value) => value !== null);
    return values.map((value) => JSON.stringify(value)).join(", ");
  }
  const types = [schema.type].flat().filter((type) => type !== "null");
  const bounds = [schema.minimum, schema.maximum].some((bound) => bound !== undefined && Math.abs(bound) < 1e6);
  const range = bounds ? ` (${schema.minimum ?? ""}..${schema.maximum ?? ""})` : "";
  const items = schema.items ? ` of ${kind(schema.items, document)}` : "";
  return types.join(" or ") + range + items;
}

function resolve(schema, document) {
  return schema.$ref ? document.components.schemas[schema.$ref.split("/").pop()] : schema;
}

function fields(schema, document) {
  const { properties, required = [] } = resolve(schema, document);
  const rows = Object.entries(properties).map(([name, field]) => {
    const code = element("code", name);
    const type = kind(field, document) + (required.includes(name) ? ", required" : "");
    return element("tr", "", element("td", "", code), element("td", type), element("td", field.description ?? ""));
  });
  const head = element("tr", "", ...["Field", "Value", ""].map((title) => element("th", title)));
  return element("table", "", element("thead", "", head), element("tbody", "", ...rows));
}

function operation(path, method, { summary, requestBody, responses }, document) {
  const parts = [element("h2", "", element("code", `${method.toUpperCase()} ${path}`)), element("p", summary)];
  const body = requestBody?.content["application/json"].schema;
  if (body) {
    parts.push(fields(body, document));
  }
  const statuses = Object.entries(responses).map(([status, { description }]) =>
    element("li", `${status}: ${description}`),
  );
  return element("section", "", ...parts, element("ul", "", ...statuses));
}

const response = await fetch("openapi.json");
const description = await response.json();
byId("about").textContent = `${description.info.summary} Version ${description.info.version}.`;
byId("base").textContent = new URL("v1", window.location.href).href;
for (const [path, operations] of Object.entries(description.paths)) {
  for (const [method, described] of Object.entries(operations)) {
    byId("paths").append(operation(path, method, described, description));
  }
}
