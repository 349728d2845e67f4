import { start } from '../../kit/mount';
import Gate from './Gate.svelte';

start(Gate, 'console');
