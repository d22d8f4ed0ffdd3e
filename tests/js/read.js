// Read a graph file with graphology and print it as JSON.
const fs = require("fs");
const path = require("path");
const {MultiGraph} = require("graphology");

const file = process.argv[2];
const format = path.extname(file) === ".gexf" ? "graphology-gexf" : "graphology-graphml";
const graph = require(format).parse(MultiGraph, fs.readFileSync(file, "utf8"));
console.log(JSON.stringify({
  attributes: graph.getAttributes(),
  nodes: graph.mapNodes((id, attributes) => ({id, ...attributes})),
  edges: graph.mapEdges((id, attributes, source, target) => ({id, source, target, ...attributes})),
}));
