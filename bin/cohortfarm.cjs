#!/usr/bin/env node
'use strict';
// The command. Says which Node is needed before anything is loaded that an older one cannot read: keep the syntax old.
var fs = require('fs');
var path = require('path');
var url = require('url');

var root = path.join(__dirname, '..');
var wanted = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')).engines.node;
var least = /(\d+)\.(\d+)/.exec(wanted).slice(1).map(Number);
var found = process.versions.node.split('.').map(Number);
if (found[0] < least[0] || (found[0] === least[0] && found[1] < least[1])) {
  process.stderr.write(
    'cohortfarm needs Node ' + wanted + '; this is ' + process.versions.node + ' (' + process.execPath + '). ' +
      'Install a newer one from https://nodejs.org, or put it first on the PATH.\n'
  );
  process.exitCode = 78;
} else {
  // A clone has the source; the package has what package/bundle.ts made of it.
  var source = path.join(root, 'cli', 'main.ts');
  var main = fs.existsSync(source) ? source : path.join(root, 'dist', 'cli', 'main.js');
  import(url.pathToFileURL(main).href).catch(function (error) {
    process.stderr.write((error && error.stack) + '\n');
    process.exitCode = 75;
  });
}
