import { start } from '../../kit/mount';
import Lanes from './Lanes.svelte';

start(Lanes, 'console');
