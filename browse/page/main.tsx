import { render } from 'preact';
import { App } from './app.tsx';
import { askAhead, DATASET, samplesPath } from './ask.ts';
import { rawSelection } from './state.ts';

// The images that the URL names can be found while the dataset is still being described.
const { where, page } = rawSelection(location.search);
askAhead(DATASET);
askAhead(samplesPath(where, page));

render(<App />, document.getElementById('app')!);
