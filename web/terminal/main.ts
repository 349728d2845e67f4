import { start } from '../kit/mount';
import Terminal from './Terminal.svelte';

start(Terminal);
