#include <armoriq.h>
