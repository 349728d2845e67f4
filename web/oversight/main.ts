import { start } from '../kit/mount';
import Oversight from './Oversight.svelte';

start(Oversight, 'console');
