/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "quirks/display_strings.h"

#include <stddef.h>
#include <string.h>

struct language {
	char code[3];		/* ISO 639-1 */
	const char *text[DISPLAY_STRINGS];
};

/* The order is the firmware's. The display knows ASCII only. English comes first: the default. */
static const struct language languages[] = {
	{ "en", { "Type your PIN", "Type a new PIN", "New PIN again", "PIN accepted",
		  "Wrong PIN", "Time is over", "tries left",
		  "Insert a card", "Card failure", "PIN is blocked" } },
	{ "de", { "PIN eingeben", "Neue PIN?", "Neue PIN nochmal", "PIN angenommen",
		  "PIN falsch", "Zeit abgelaufen", "Versuche uebrig",
		  "Karte einstecken", "Kartenfehler", "PIN gesperrt" } },
	{ "es", { "Teclee su PIN", "Teclee nuevo PIN", "Repita nuevo PIN", "PIN aceptado",
		  "PIN erroneo", "Fin del tiempo", "intentos quedan",
		  "Meta una tarjeta", "Fallo de tarjeta", "PIN bloqueado" } },
	{ "fr", { "Tapez votre PIN", "Nouveau PIN ?", "Nouv. PIN encore", "PIN accepte",
		  "PIN errone", "Temps ecoule", "essais restants",
		  "Mettez une carte", "Carte en defaut", "PIN bloque" } },
	{ "it", { "Digitare il PIN", "Nuovo PIN?", "Ripetere il PIN", "PIN accettato",
		  "PIN errato", "Tempo finito", "prove rimaste",
		  "Mettere la carta", "Carta difettosa", "PIN bloccato" } },
	{ "nl", { "Typ uw PIN", "Typ nieuwe PIN", "Nieuwe PIN weer", "PIN in orde",
		  "PIN fout", "Tijd is om", "pogingen over",
		  "Steek kaart in", "Kaartfout", "PIN geblokkeerd" } },
	{ "pt", { "Digite o seu PIN", "Novo PIN?", "Repita novo PIN", "PIN aceite",
		  "PIN errado", "Fim do tempo", "tentativas",
		  "Insira um cartao", "Falha do cartao", "PIN bloqueado" } },
	{ "tr", { "PIN giriniz", "Yeni PIN giriniz", "Yeni PIN tekrar", "PIN kabul edildi",
		  "PIN yanlis", "Sure doldu", "deneme kaldi",
		  "Kart takiniz", "Kart arizali", "PIN kilitlendi" } },
};

static const struct language *language_of(const char *locale)
{
	if (locale && strlen(locale) >= 2)
		for (size_t i = 0; i < sizeof languages / sizeof languages[0]; i++)
			if (memcmp(languages[i].code, locale, 2) == 0)
				return &languages[i];
	return &languages[0];
}

void display_strings_fill(uint8_t out[DISPLAY_STRINGS * DISPLAY_WIDTH], const char *locale)
{
	const struct language *l = language_of(locale);

	memset(out, ' ', (size_t)DISPLAY_STRINGS * DISPLAY_WIDTH);
	for (size_t i = 0; i < DISPLAY_STRINGS; i++) {
		size_t n = strlen(l->text[i]);

		memcpy(out + i * DISPLAY_WIDTH, l->text[i], n < DISPLAY_WIDTH ? n : DISPLAY_WIDTH);
	}
}
