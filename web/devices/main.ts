import { start } from '../kit/mount';
import Devices from './Devices.svelte';

start(Devices, 'console');
